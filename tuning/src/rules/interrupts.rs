//! Which CPUs answer the interrupts of disks and network cards.

use std::collections::BTreeSet;

use super::Rule;
use crate::interrupts::Interrupt;
use crate::plan::{Finding, Remedy, Severity, Write};

/// What is judged about one device.
pub(super) struct Device<'a> {
    pub name: &'a str,
    pub interrupts: &'a [Interrupt],
    /// Where shards run.
    pub cores: &'a [usize],
    /// The kernel ties each queue of an NVMe disk to CPUs itself and lets nobody change it.
    pub is_managed: bool,
}

/// The queues of a device are answered by as many different CPUs as there can be.
pub(super) fn spread(rule: Rule, device: &Device) -> Finding {
    let Device { name, interrupts, cores, is_managed } = device;
    if interrupts.is_empty() || cores.is_empty() {
        return rule.finding(format!("no interrupt of {name} found"), Severity::Info, None);
    }
    let cpus: BTreeSet<usize> = interrupts.iter().filter_map(|interrupt| interrupt.cpus.first().copied()).collect();
    let wanted = interrupts.len().min(cores.len());
    let listed: Vec<String> = cpus.iter().map(usize::to_string).collect();
    let now = format!("{name}: {} interrupts on CPU {}", interrupts.len(), listed.join(","));
    if cpus.len() >= wanted {
        return rule.good(now);
    }
    if *is_managed {
        let advice = "the kernel deals the queues of this driver to CPUs itself: look at the number of queues";
        return rule.finding(now, Severity::Info, Some(Remedy::advice(advice)));
    }
    let write = |(position, interrupt): (usize, &Interrupt)| {
        let path = format!("/proc/irq/{}/smp_affinity_list", interrupt.number);
        Write::new(path, cores[position % cores.len()])
    };
    let writes = interrupts.iter().enumerate().map(write).collect();
    rule.finding(now, Severity::Warning, Some(Remedy::Write(writes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { tuner: "irq", wanted: "spread", says: "rpk", why: "It is better so." };

    fn judged(cpus: &[usize], is_managed: bool) -> Finding {
        let interrupt = |(at, &cpu): (usize, &usize)| Interrupt {
            number: 40 + at as u32,
            action: format!("eth0-{at}"),
            cpus: vec![cpu],
        };
        let interrupts: Vec<Interrupt> = cpus.iter().enumerate().map(interrupt).collect();
        spread(RULE, &Device { name: "eth0", interrupts: &interrupts, cores: &[0, 2], is_managed })
    }

    #[test]
    fn interrupts_that_all_arrive_on_one_cpu_are_dealt_to_the_cores() {
        let finding = judged(&[0, 0, 0], false);
        assert_eq!(finding.severity, Severity::Warning);
        let lines: Vec<String> = finding.writes().iter().map(Write::line).collect();
        assert_eq!(lines[1], "echo 2 > /proc/irq/41/smp_affinity_list");
        assert_eq!(judged(&[0, 3, 0], false).severity, Severity::Ok);
        assert_eq!(judged(&[1], false).severity, Severity::Ok);
    }

    #[test]
    fn what_the_kernel_deals_itself_is_never_written() {
        let finding = judged(&[0, 0], true);
        assert_eq!((finding.severity, finding.writes().len()), (Severity::Info, 0));
    }
}
