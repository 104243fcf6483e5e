//! Where shards should run.

use std::collections::BTreeSet;

use super::{Rule, gib, sysctl};
use crate::facts::Facts;
use crate::plan::{Finding, Remedy, Severity};
use crate::topology::TopologyFacts;

/// rpk's rule; below it caches and buffers of a shard become small.
const MEMORY_PER_CORE_WANTED: u64 = 2 << 30;
/// With fewer, none can be spared for the rest of the system.
const ISOLATION_CORES_MIN: usize = 8;

pub(super) fn findings(facts: &TopologyFacts) -> Vec<Finding> {
    vec![cores(facts), threads(facts), memory(facts)]
}

/// Findings about where things are that also need to know the devices and the boot options.
pub(super) fn placement(facts: &Facts) -> Vec<Finding> {
    vec![nodes(facts), node_balancing(facts), isolation(facts)]
}

/// The CPUs to give to `--cores`: of every physical core the first CPU that may be used, because two shards on the two
/// threads of one core share its units and slow each other in bursts.
pub fn shard_cores(facts: &TopologyFacts) -> Vec<usize> {
    let mut taken = BTreeSet::new();
    let usable = facts.cpus.iter().filter(|cpu| cpu.is_allowed);
    usable.filter(|cpu| taken.insert(cpu.siblings.first().copied())).map(|cpu| cpu.id).collect()
}

fn listed(cpus: impl IntoIterator<Item = usize>) -> String {
    cpus.into_iter().map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(",")
}

fn cores(facts: &TopologyFacts) -> Finding {
    let rule = Rule {
        tuner: "cores",
        wanted: "one shard for each physical core",
        says: "perftune",
        why: "A shard owns its core: what else runs there delays every request of the shard.",
    };
    let cores = shard_cores(facts);
    if cores.is_empty() {
        return rule.unknown();
    }
    let (all, usable) = (facts.cpus.len(), cores.len());
    rule.good(format!("{all} CPUs, {usable} physical cores usable; --cores {}", listed(cores)))
}

fn threads(facts: &TopologyFacts) -> Finding {
    let rule = Rule {
        tuner: "smt",
        wanted: "no shard on a second thread of a core",
        says: "perftune",
        why: "Two shards on the two threads of one core share its units and slow each other in bursts.",
    };
    let second: Vec<usize> =
        facts.cpus.iter().filter(|cpu| cpu.siblings.first() != Some(&cpu.id)).map(|cpu| cpu.id).collect();
    if second.is_empty() {
        return rule.good("one thread a core");
    }
    let advice = format!("start the broker with --cores {}", listed(shard_cores(facts)));
    rule.finding(format!("second threads: CPU {}", listed(second)), Severity::Info, Some(Remedy::advice(advice)))
}

fn node_count(facts: &TopologyFacts) -> usize {
    facts.cpus.iter().map(|cpu| cpu.numa_node).collect::<BTreeSet<_>>().len()
}

fn nodes(facts: &Facts) -> Finding {
    let rule = Rule {
        tuner: "numa",
        wanted: "shards on the node of disk and network card",
        says: "perftune",
        why: "Memory and devices of another node answer later, and the link between nodes is shared.",
    };
    let topology = &facts.topology;
    if node_count(topology) < 2 {
        return rule.good("one node");
    }
    let disk = facts.disk.device.iter().map(|disk| (&disk.name, disk.numa_node));
    let cards = facts.network.cards.iter().map(|card| (&card.name, card.numa_node));
    // The kernel says -1 of a device that belongs to no node.
    let devices: Vec<(&String, usize)> =
        disk.chain(cards).filter_map(|(name, node)| Some((name, usize::try_from(node?).ok()?))).collect();
    let homes: Vec<String> = devices.iter().map(|(name, node)| format!("{name} on node {node}")).collect();
    let now = format!(
        "{} nodes; {}",
        node_count(topology),
        if homes.is_empty() { "no device shown".to_owned() } else { homes.join(", ") }
    );
    let Some(&(_, home)) = devices.first() else { return rule.finding(now, Severity::Info, None) };
    let there = topology.cpus.iter().filter(|cpu| cpu.numa_node == home).map(|cpu| cpu.id);
    let there: Vec<usize> = there.filter(|id| shard_cores(topology).contains(id)).collect();
    let advice = format!("if one node's cores are enough, start the broker with --cores {}", listed(there));
    rule.finding(now, Severity::Info, Some(Remedy::advice(advice)))
}

fn node_balancing(facts: &Facts) -> Finding {
    let rule = Rule {
        tuner: "numa-balancing",
        wanted: "0 with several nodes",
        says: "ringmain",
        why: "It unmaps pages to see who uses them. Shards are pinned and their memory is where they are.",
    };
    let Some(value) = facts.kernel.numa_balancing else { return rule.good("no such setting") };
    let is_good = value == 0 || node_count(&facts.topology) < 2;
    rule.judged(value.to_string(), is_good, Severity::Warning, sysctl("kernel/numa_balancing", 0))
}

fn isolation(facts: &Facts) -> Finding {
    let rule = Rule {
        tuner: "core-isolation",
        wanted: "isolated cores, for the last percentile of many cores",
        says: "ringmain",
        why: "The scheduler keeps everything else off isolated cores. It pays where cores are plenty.",
    };
    let isolated = &facts.kernel.isolated_cpus;
    let cores = shard_cores(&facts.topology);
    if !isolated.is_empty() || cores.len() < ISOLATION_CORES_MIN {
        let now = if isolated.is_empty() { "too few cores for it".to_owned() } else { listed(isolated.clone()) };
        return rule.good(now);
    }
    let advice = format!("boot with isolcpus={0} nohz_full={0} and pass --cores {0}", listed(cores[1..].to_vec()));
    rule.finding("none", Severity::Info, Some(Remedy::advice(advice)))
}

fn memory(facts: &TopologyFacts) -> Finding {
    let rule = Rule {
        tuner: "memory-per-core",
        wanted: ">= 2 GiB",
        says: "rpk",
        why: "Each shard keeps the tail of its partitions in its own memory.",
    };
    let (Some(bytes), cores @ 1..) = (facts.memory_bytes, shard_cores(facts).len() as u64) else {
        return rule.unknown();
    };
    let severity = if bytes / cores >= MEMORY_PER_CORE_WANTED { Severity::Ok } else { Severity::Warning };
    rule.finding(gib(bytes / cores), severity, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{BlockDevice, DiskFacts};
    use crate::topology::Cpu;

    /// Two nodes of two cores with two threads each, numbered as Linux does: the second threads come last.
    fn server() -> TopologyFacts {
        let cpu = |id: usize| Cpu { id, numa_node: (id % 4) / 2, siblings: vec![id % 4, id % 4 + 4], is_allowed: true };
        TopologyFacts { cpus: (0..8).map(cpu).collect(), memory_bytes: Some(64 << 30) }
    }

    #[test]
    fn one_thread_of_each_core_gets_a_shard() {
        assert_eq!(shard_cores(&server()), [0, 1, 2, 3]);
        assert_eq!(findings(&server())[1].severity, Severity::Info);
    }

    #[test]
    fn a_core_whose_first_thread_is_forbidden_is_used_through_its_second() {
        let mut facts = server();
        facts.cpus[1].is_allowed = false;
        assert_eq!(shard_cores(&facts), [0, 2, 3, 5]);
    }

    #[test]
    fn memory_is_counted_for_each_shard() {
        let mut facts = server();
        assert_eq!(findings(&facts)[2].now, "16.0 GiB");
        facts.memory_bytes = Some(4 << 30);
        assert_eq!(findings(&facts)[2].severity, Severity::Warning);
    }

    #[test]
    fn shards_are_advised_to_stay_on_the_node_of_the_disk() {
        let device = BlockDevice { name: "nvme0n1".to_owned(), numa_node: Some(1), ..Default::default() };
        let disk = DiskFacts { device: Some(device), ..Default::default() };
        let finding = nodes(&Facts { topology: server(), disk, ..Default::default() });
        assert_eq!(finding.now, "2 nodes; nvme0n1 on node 1");
        let Some(Remedy::Advice(advice)) = finding.remedy else { panic!("no advice") };
        assert!(advice.ends_with("--cores 2,3"), "{advice}");
    }
}
