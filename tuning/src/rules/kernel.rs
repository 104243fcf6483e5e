//! Kernel, limits, memory, clock.

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

pub(super) fn findings(facts: &KernelFacts) -> Vec<Finding> {
    vec![
        release(facts),
        io_uring_setting(facts),
        io_uring_setup(facts),
        locked_memory(facts),
        open_files(facts),
        clocksource(facts),
        governor(facts),
        huge_pages(facts),
        swappiness(facts),
    ]
}

fn release(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        what: "kernel",
        wanted: ">= 6.1",
        says: "ringmain",
        why: "Older kernels lack the deferred completions of io_uring that every shard relies on.",
    };
    let Some(release) = &facts.release else { return rule.unknown() };
    match version(release) {
        Some(version) => {
            let remedy = Remedy::Advice("boot a kernel of the 6.1 series or later".to_owned());
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
        what: "kernel.io_uring_disabled",
        wanted: "0",
        says: "ringmain",
        why: "1 forbids io_uring to processes without privilege, 2 to all.",
    };
    let remedy = sysctl("kernel.io_uring_disabled", 0);
    match facts.io_uring_disabled {
        // The setting came with Linux 6.6; before, io_uring cannot be forbidden this way.
        None => rule.good("no such setting"),
        Some(1) if facts.is_privileged => rule.finding("1", Severity::Warning, Some(remedy)),
        Some(value) => rule.judged(value.to_string(), value == 0, Severity::Fatal, remedy),
    }
}

fn io_uring_setup(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        what: "io_uring",
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
            rule.finding(reason, Severity::Fatal, Some(Remedy::Advice(advice.to_owned())))
        }
    }
}

fn locked_memory(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        what: "locked memory",
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
    rule.judged(current, bytes >= LOCKED_BYTES_WANTED, severity, Remedy::Advice(advice.to_owned()))
}

fn open_files(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        what: "open files",
        wanted: ">= 100000",
        says: "Kafka",
        why: "Every connection and every open segment takes a descriptor.",
    };
    let Some(ResourceLimit { soft, hard }) = facts.open_files else { return rule.unknown() };
    let Some(files) = soft else { return rule.good("unlimited") };
    let hard = hard.map_or_else(|| "unlimited".to_owned(), |hard| hard.to_string());
    let severity = if files < OPEN_FILES_MIN { Severity::Fatal } else { Severity::Warning };
    let advice = Remedy::Advice("LimitNOFILE=1048576 in the service's unit, or `ulimit -n` in its shell".to_owned());
    rule.judged(format!("{files}, hard limit {hard}"), files >= OPEN_FILES_WANTED, severity, advice)
}

fn clocksource(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        what: "clocksource",
        wanted: "tsc, or kvm-clock in a guest",
        says: "rpk, perftune",
        why: "Other sources need a system call, or a slow device, to tell the time.",
    };
    let Some(current) = &facts.clocksource else { return rule.unknown() };
    let is_good = ["tsc", "kvm-clock", "arch_sys_counter"].contains(&current.as_str());
    let better =
        ["tsc", "kvm-clock"].iter().find(|name| facts.clocksources_available.iter().any(|found| found == *name));
    let remedy = match better {
        Some(name) => {
            Remedy::Command(format!("echo {name} > /sys/devices/system/clocksource/clocksource0/current_clocksource"))
        }
        None => Remedy::Advice("the machine offers no better one".to_owned()),
    };
    rule.judged(current, is_good, Severity::Warning, remedy)
}

fn governor(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        what: "CPU governor",
        wanted: "performance",
        says: "rpk",
        why: "Other governors wait for load before they raise the clock, which shows in the tail of latency.",
    };
    if facts.governors.is_empty() {
        return rule.good("the system does not choose the frequency");
    }
    let command = "for f in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo performance > \"$f\"; done";
    let is_good = facts.governors.iter().all(|governor| governor == "performance");
    rule.judged(facts.governors.join(", "), is_good, Severity::Warning, Remedy::Command(command.to_owned()))
}

fn huge_pages(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        what: "transparent huge pages",
        wanted: "madvise or always",
        says: "rpk",
        why: "Large buffers cost fewer misses of the address cache in large pages.",
    };
    let Some(current) = &facts.huge_pages else { return rule.unknown() };
    let command = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
    rule.judged(current, current != "never", Severity::Info, Remedy::Command(command.to_owned()))
}

fn swappiness(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        what: "vm.swappiness",
        wanted: "1",
        says: "rpk, Kafka",
        why: "A shard that is swapped out stops every partition that it owns.",
    };
    let Some(value) = facts.swappiness else { return rule.unknown() };
    rule.judged(value.to_string(), value <= 1, Severity::Warning, sysctl("vm.swappiness", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(facts: &KernelFacts, what: &str) -> Finding {
        findings(facts).into_iter().find(|finding| finding.what == what).expect("a finding")
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
        assert_eq!(judged(&facts, "kernel.io_uring_disabled").severity, Severity::Ok);
        assert_eq!(judged(&facts, "io_uring").severity, Severity::Fatal);
    }

    #[test]
    fn io_uring_for_the_privileged_only_is_fatal_to_others() {
        let facts = |is_privileged| KernelFacts { io_uring_disabled: Some(1), is_privileged, ..Default::default() };
        assert_eq!(judged(&facts(true), "kernel.io_uring_disabled").severity, Severity::Warning);
        assert_eq!(judged(&facts(false), "kernel.io_uring_disabled").severity, Severity::Fatal);
    }

    #[test]
    fn locked_memory_matters_only_without_privilege() {
        let severity = |soft, is_privileged| {
            let locked_memory = Some(ResourceLimit { soft, hard: soft });
            judged(&KernelFacts { locked_memory, is_privileged, ..Default::default() }, "locked memory").severity
        };
        assert_eq!(severity(None, false), Severity::Ok);
        assert_eq!(severity(Some(64 << 10), false), Severity::Fatal);
        assert_eq!(severity(Some(8 << 20), false), Severity::Warning);
        assert_eq!(severity(Some(8 << 20), true), Severity::Info);
        assert_eq!(severity(Some(1 << 30), false), Severity::Ok);
    }

    #[test]
    fn a_better_clocksource_is_proposed_only_where_there_is_one() {
        let facts = |available: &[&str]| KernelFacts {
            clocksource: Some("hpet".to_owned()),
            clocksources_available: available.iter().map(|&name| name.to_owned()).collect(),
            ..Default::default()
        };
        assert!(matches!(judged(&facts(&["hpet", "tsc"]), "clocksource").remedy, Some(Remedy::Command(_))));
        assert!(matches!(judged(&facts(&["hpet"]), "clocksource").remedy, Some(Remedy::Advice(_))));
    }
}
