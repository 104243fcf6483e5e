//! Tries layouts of shards and load generator with real brokers. SHELL; [`layout`] decides.

pub mod layout;

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::calibrate::Scratch;
use crate::loadgen_report::LoadgenReport;
use crate::measure::median;
use layout::{Layout, Row};

/// The programs and how long they run.
pub struct Sweep {
    pub ringmain: PathBuf,
    pub loadgen: PathBuf,
    /// Brokers keep their data below it, and it is removed.
    pub data: PathBuf,
    pub seconds: f64,
    pub repetitions: usize,
}

impl Sweep {
    /// First the throughput of every layout; then, at half the rate that the slowest of them can take, the latency. Gives
    /// that rate as well. Layouts take turns, so that a machine that changes with time does not favour one.
    pub fn run(&self, layouts: &[Layout], stop: &AtomicBool) -> io::Result<(Vec<Row>, u64)> {
        let throughput = self.in_turns(layouts, &["produce", "--rate", "max"], stop)?;
        let records_per_s = |reports: &[LoadgenReport]| {
            median(reports.iter().map(|report| report.produced.as_ref().map_or(0.0, |flow| flow.records_per_s)))
        };
        let slowest = throughput.iter().map(|reports| records_per_s(reports)).fold(f64::INFINITY, f64::min);
        let rate = (slowest / 2.0) as u64;
        let latency = self.in_turns(layouts, &["e2e", "--rate", &rate.max(1).to_string()], stop)?;
        let row = |((layout, throughput), latency): ((&Layout, &Vec<LoadgenReport>), &Vec<LoadgenReport>)| {
            let us = |of: fn(&crate::loadgen_report::Latency) -> u64| {
                median(latency.iter().filter_map(|report| Some(of(report.end_to_end.as_ref()?) as f64 / 1e3)))
            };
            let mut complaints: Vec<String> =
                throughput.iter().chain(latency).flat_map(|report| report.outcome.invalid.clone()).collect();
            complaints.dedup();
            Row {
                layout: layout.clone(),
                mb_per_s: median(throughput.iter().filter_map(|report| Some(report.produced.as_ref()?.mb_per_s))),
                records_per_s: records_per_s(throughput),
                p50_us: us(|latency| latency.p50_ns),
                p99_us: us(|latency| latency.p99_ns),
                p999_us: us(|latency| latency.p999_ns),
                complaints,
            }
        };
        Ok((layouts.iter().zip(&throughput).zip(&latency).map(row).collect(), rate))
    }

    /// The reports of each layout.
    fn in_turns(&self, layouts: &[Layout], load: &[&str], stop: &AtomicBool) -> io::Result<Vec<Vec<LoadgenReport>>> {
        let mut reports = vec![Vec::new(); layouts.len()];
        for _ in 0..self.repetitions {
            for (layout, reports) in layouts.iter().zip(&mut reports) {
                let report = self.once(layout, load)?;
                // A terminal interrupts loadgen as well, whose report is then that of a part.
                if stop.load(Ordering::Relaxed) {
                    return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped"));
                }
                reports.push(report);
            }
        }
        Ok(reports)
    }

    fn once(&self, layout: &Layout, load: &[&str]) -> io::Result<LoadgenReport> {
        let scratch = Scratch::make(&self.data)?;
        let broker = Broker::start(&self.ringmain, scratch.path(), &layout.shard_cores)?;
        let mut command = Command::new(&self.loadgen);
        command.args(load).args(["--json", "-", "--warm-up", "1", "--bootstrap", &broker.address]);
        command.args(["--duration", &self.seconds.to_string()]);
        command.args(["--threads", &layout.generator_cores.len().to_string()]);
        pinned(&layout.generator_cores, move || LoadgenReport::of(&mut command))
    }
}

/// A process inherits the cores of the thread that starts it: so one starts it that may run on these alone.
fn pinned<T: Send + 'static>(cores: &[usize], start: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|&core| set.set(core));
    let starter = thread::spawn(move || {
        sched_setaffinity(None, &set)?;
        start()
    });
    starter.join().unwrap_or_else(|_| Err(io::Error::other("starting a process panicked")))
}

/// A broker that ends when it is dropped.
struct Broker {
    child: Child,
    address: String,
}

impl Broker {
    fn start(program: &Path, data: &Path, cores: &[usize]) -> io::Result<Broker> {
        let list = cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--log-level", "error", "--cores", &list]);
        command.arg("--data").arg(data.join("broker")).stdout(Stdio::piped());
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", program.display()));
        let mut child = pinned(cores, move || command.spawn()).map_err(named)?;
        let mut line = String::new();
        let read = child.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        let address = line.split_whitespace().find_map(|word| word.strip_prefix("kafka=")).map(str::to_owned);
        // From here on an error ends the broker as well.
        let broker = Broker { child, address: address.clone().unwrap_or_default() };
        read.transpose()?;
        address.map(|_| broker).ok_or_else(|| io::Error::other("ringmain has ended without getting ready"))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Its data is thrown away, so it need not stop in good order. It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
