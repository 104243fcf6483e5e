//! Runs beside each other: a table for the terminal, and one page with the curves that needs nothing but itself.
//!
//! ```text
//!  files -> sources -> Run -+-> table (P)
//!                           +-> page (P): facts, charts -> chart (P): scale (P)
//! ```

mod chart;
mod distribution;
mod escape;
mod page;
mod scale;
mod sources;
mod table;

use std::path::Path;

use crate::Failure;
use crate::interval_log::{ACK, END_TO_END, SERVICE};

pub(crate) use distribution::Distribution;

/// More curves than this cannot be told apart.
const RUNS_MAX: usize = 6;

/// Which latency is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Ack,
    EndToEnd,
    Service,
}

impl Of {
    fn tag(self) -> &'static str {
        match self {
            Of::Ack => ACK,
            Of::EndToEnd => END_TO_END,
            Of::Service => SERVICE,
        }
    }

    fn about(self) -> &'static str {
        match self {
            Of::Ack => "latency to the acknowledgement",
            Of::EndToEnd => "latency from end to end",
            Of::Service => "service time",
        }
    }
}

/// Compares runs, the first being what the others are held against; writes the page and gives the table. Without `of` it
/// is the latency from end to end where all runs have it, and else the latency to the acknowledgement.
pub(crate) fn compare(names: &[String], of: Option<Of>, html: &Path) -> Result<String, Failure> {
    if names.len() < 2 || names.len() > RUNS_MAX {
        return Err(Failure::Options(format!("2 to {RUNS_MAX} runs can be compared")));
    }
    let files = names.iter().map(|name| sources::read(name)).collect::<Result<Vec<_>, Failure>>()?;
    let of = of.unwrap_or(match files.iter().all(|run| run.has(Of::EndToEnd)) {
        true => Of::EndToEnd,
        false => Of::Ack,
    });
    let runs = files.into_iter().map(|run| run.of(of)).collect::<Result<Vec<_>, Failure>>()?;
    let page = page::page(&runs, of);
    std::fs::write(html, page).map_err(|source| Failure::Output { path: html.to_owned(), source })?;
    Ok(format!("{}\npage written to {}\n", table::text(&runs, of), html.display()))
}
