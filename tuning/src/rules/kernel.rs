//! Kernel, limits, memory.

use super::{Rule, sysctl};
use crate::kernel::{KernelFacts, ResourceLimit};
use crate::plan::{Finding, Remedy, Severity};

/// The first release with every io_uring feature that the broker uses (DEFER_TASKRUN).
const KERNEL_MIN: (u32, u32) = (6, 1);
/// The runtime refuses to start below this.
const LOCKED_BYTES_MIN: u64 = 512 << 10;
/// Room for registered buffers of many shards.
const LOCKED_BYTES_WANTED: u64 = 64 << 20;
/// Kafka's operations guide: descriptors for sockets and segments.
const OPEN_FILES_WANTED: u64 = 100_000;
/// With fewer, not even a modest number of clients and topics fits.
const OPEN_FILES_MIN: u64 = 1024;

/// rpk's value.
const AIO_REQUESTS_WANTED: u64 = 1 << 20;

pub(super) fn findings(facts: &KernelFacts) -> Vec<Finding> {
    vec![
        release(facts),
        io_uring_setting(facts),
        io_uring_setup(facts),
        locked_memory(facts),
        open_files(facts),
        aio_requests(facts),
        huge_pages(facts),
        swappiness(facts),
    ]
}

fn release(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        tuner: "kernel",
        wanted: ">= 6.1",
        says: "ringmain",
        why: "Older kernels lack the deferred completions of io_uring that every shard relies on.",
    };
    let Some(release) = &facts.release else { return rule.unknown() };
    match version(release) {
        Some(version) => {
            let remedy = Remedy::advice("boot a kernel of the 6.1 series or later");
            rule.judged(release, version >= KERNEL_MIN, Severity::Fatal, remedy)
        }
        None => rule.finding(release, Severity::Info, None),
    }
}

/// The first two numbers of a release such as `6.18.44-fc`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn io_uring_setting(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        tuner: "io-uring-setting",
        wanted: "0",
        says: "ringmain",
        why: "1 forbids io_uring to processes without privilege, 2 to all.",
    };
    let remedy = sysctl("kernel/io_uring_disabled", 0);
    match facts.io_uring_disabled {
        // The setting came with Linux 6.6; before, io_uring cannot be forbidden this way.
        None => rule.good("no such setting"),
        Some(1) if facts.is_privileged => rule.finding("1", Severity::Warning, Some(remedy)),
        Some(value) => rule.judged(value.to_string(), value == 0, Severity::Fatal, remedy),
    }
}

fn io_uring_setup(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        tuner: "io-uring",
        wanted: "a ring can be set up",
        says: "ringmain",
        why: "Seccomp filters of container runtimes often forbid io_uring whatever the setting says.",
    };
    match &facts.io_uring_setup {
        None => rule.unknown(),
        Some(Ok(())) => rule.good("a ring was set up"),
        Some(Err(reason)) => {
            let advice =
                "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp profile";
            rule.finding(reason, Severity::Fatal, Some(Remedy::advice(advice)))
        }
    }
}

fn locked_memory(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        tuner: "locked-memory",
        wanted: ">= 64 MiB",
        says: "ringmain, glommio",
        why: "Buffers that are registered with io_uring count as locked; root is exempt, a service user is not.",
    };
    let Some(ResourceLimit { soft, .. }) = facts.locked_memory else { return rule.unknown() };
    let Some(bytes) = soft else { return rule.good("unlimited") };
    let current = format!(
        "{:.1} MiB{}",
        bytes as f64 / f64::from(1 << 20),
        if facts.is_privileged { ", exempt as root" } else { "" }
    );
    let severity = match bytes {
        _ if facts.is_privileged => Severity::Info,
        0..LOCKED_BYTES_MIN => Severity::Fatal,
        _ => Severity::Warning,
    };
    let advice = "LimitMEMLOCK=infinity in the service's unit, or `ulimit -l unlimited` in its shell";
    rule.judged(current, bytes >= LOCKED_BYTES_WANTED, severity, Remedy::advice(advice))
}

fn open_files(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        tuner: "open-files",
        wanted: ">= 100000",
        says: "Kafka",
        why: "Every connection and every open segment takes a descriptor.",
    };
    let Some(ResourceLimit { soft, hard }) = facts.open_files else { return rule.unknown() };
    let Some(files) = soft else { return rule.good("unlimited") };
    let hard = hard.map_or_else(|| "unlimited".to_owned(), |hard| hard.to_string());
    let severity = if files < OPEN_FILES_MIN { Severity::Fatal } else { Severity::Warning };
    let advice = Remedy::advice("LimitNOFILE=1048576 in the service's unit, or `ulimit -n` in its shell");
    rule.judged(format!("{files}, hard limit {hard}"), files >= OPEN_FILES_WANTED, severity, advice)
}

fn aio_requests(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        tuner: "aio-max-nr",
        wanted: ">= 1048576",
        says: "rpk",
        why: "Programs that use libaio, as other brokers on the machine may, share this many requests. io_uring does not \
              count here.",
    };
    let Some(value) = facts.aio_requests_max else { return rule.unknown() };
    rule.judged(
        value.to_string(),
        value >= AIO_REQUESTS_WANTED,
        Severity::Info,
        sysctl("fs/aio-max-nr", AIO_REQUESTS_WANTED),
    )
}

fn huge_pages(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        tuner: "huge-pages",
        wanted: "madvise or always",
        says: "rpk",
        why: "Large buffers cost fewer misses of the address cache in large pages.",
    };
    let Some(current) = &facts.huge_pages else { return rule.unknown() };
    let remedy = Remedy::write("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
    rule.judged(current, current != "never", Severity::Info, remedy)
}

fn swappiness(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        tuner: "swappiness",
        wanted: "1",
        says: "rpk, Kafka",
        why: "A shard that is swapped out stops every partition that it owns.",
    };
    let Some(value) = facts.swappiness else { return rule.unknown() };
    rule.judged(value.to_string(), value <= 1, Severity::Warning, sysctl("vm/swappiness", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(facts: &KernelFacts, tuner: &str) -> Finding {
        findings(facts).into_iter().find(|finding| finding.tuner == tuner).expect("a finding")
    }

    #[test]
    fn versions_compare_as_numbers() {
        for (release, severity) in [
            ("6.18.44-fc-v657", Severity::Ok),
            ("6.1.0-18-amd64", Severity::Ok),
            ("5.19.17", Severity::Fatal),
            ("6.0.9", Severity::Fatal),
            ("10.0", Severity::Ok),
            ("unreadable", Severity::Info),
        ] {
            let facts = KernelFacts { release: Some(release.to_owned()), ..Default::default() };
            assert_eq!(judged(&facts, "kernel").severity, severity, "{release}");
        }
    }

    #[test]
    fn a_ring_that_cannot_be_set_up_is_fatal_although_the_setting_allows_it() {
        let setup = Some(Err("Operation not permitted (os error 1)".to_owned()));
        let facts = KernelFacts { io_uring_disabled: Some(0), io_uring_setup: setup, ..Default::default() };
        assert_eq!(judged(&facts, "io-uring-setting").severity, Severity::Ok);
        assert_eq!(judged(&facts, "io-uring").severity, Severity::Fatal);
    }

    #[test]
    fn io_uring_for_the_privileged_only_is_fatal_to_others() {
        let facts = |is_privileged| KernelFacts { io_uring_disabled: Some(1), is_privileged, ..Default::default() };
        assert_eq!(judged(&facts(true), "io-uring-setting").severity, Severity::Warning);
        assert_eq!(judged(&facts(false), "io-uring-setting").severity, Severity::Fatal);
    }

    #[test]
    fn locked_memory_matters_only_without_privilege() {
        let severity = |soft, is_privileged| {
            let locked_memory = Some(ResourceLimit { soft, hard: soft });
            judged(&KernelFacts { locked_memory, is_privileged, ..Default::default() }, "locked-memory").severity
        };
        assert_eq!(severity(None, false), Severity::Ok);
        assert_eq!(severity(Some(64 << 10), false), Severity::Fatal);
        assert_eq!(severity(Some(8 << 20), false), Severity::Warning);
        assert_eq!(severity(Some(8 << 20), true), Severity::Info);
        assert_eq!(severity(Some(1 << 30), false), Severity::Ok);
    }
}
