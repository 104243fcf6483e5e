//! Workloads that are several runs, one after the other or at the same time, on one broker.

pub(crate) mod backfill;
pub(crate) mod file;
pub(crate) mod guarantee;
mod parts;
pub(crate) mod peers;
pub(crate) mod steps;

use std::sync::Arc;

use crate::embedded::Embedded;
use crate::gate::Gate;
use crate::report::Broker;
use crate::{Failure, Options, Report, run};

pub(crate) use parts::{Part, set, table};

/// Works on the broker that the options name, or on one in this process that is stopped afterwards.
pub(crate) fn on_broker<R>(options: &Options, work: impl FnOnce(&Broker) -> Result<R, Failure>) -> Result<R, Failure> {
    if let Some(address) = &options.bootstrap {
        return work(&Broker { address: address.clone(), embedded_in: None });
    }
    let embedded = Embedded::start(&options.embedded)?;
    let done = work(&Broker { address: embedded.address(), embedded_in: Some(embedded.data_dir().to_owned()) });
    embedded.stop()?;
    done
}

/// Runs all of them at the same time; they begin together. The reports come in the order of the options.
pub(crate) fn together(broker: &Broker, all: Vec<Options>) -> Result<Vec<Report>, Failure> {
    let gate = Arc::new(Gate::new(all.len()));
    std::thread::scope(|scope| {
        let threads: Vec<_> = all
            .into_iter()
            .map(|mut options| {
                let gate = Arc::clone(&gate);
                options.gate = Some(Arc::clone(&gate));
                scope.spawn(move || {
                    let report = run::on(broker, options);
                    if report.is_err() {
                        gate.give_up();
                    }
                    report
                })
            })
            .collect();
        let reports: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap_or(Err(Failure::Worker))).collect();
        // The run that failed says more than those that waited for it.
        let cause = reports.iter().position(|report| !matches!(report, Ok(_) | Err(Failure::NotTogether)));
        match cause {
            Some(cause) => Err(reports.into_iter().nth(cause).and_then(Result::err).expect("it is a failure")),
            None => reports.into_iter().collect(),
        }
    })
}
