//! Numbers for people.

/// A duration with a unit that suits it.
pub(crate) fn duration(ns: u64) -> String {
    let ns = ns as f64;
    if ns < 1e3 {
        format!("{ns:.0} ns")
    } else if ns < 1e5 {
        format!("{:.1} us", ns / 1e3)
    } else if ns < 1e6 {
        format!("{:.0} us", ns / 1e3)
    } else if ns < 1e9 {
        format!("{:.2} ms", ns / 1e6)
    } else {
        format!("{:.2} s", ns / 1e9)
    }
}

/// A count with three or four digits.
pub(crate) fn count(count: f64) -> String {
    if count < 10_000.0 {
        format!("{count:.0}")
    } else if count < 1e7 {
        format!("{:.1}k", count / 1e3)
    } else {
        format!("{:.1}M", count / 1e6)
    }
}

/// A size in bytes with a unit that suits it.
pub(crate) fn bytes(bytes: f64) -> String {
    if bytes < 10_240.0 {
        format!("{bytes:.0} B")
    } else if bytes < 10_485_760.0 {
        format!("{:.1} KiB", bytes / 1024.0)
    } else {
        format!("{:.1} MiB", bytes / 1_048_576.0)
    }
}
