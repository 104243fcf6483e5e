//! Where shards should run.

use std::collections::BTreeSet;

use super::{Rule, gib};
use crate::plan::{Finding, Severity};
use crate::topology::TopologyFacts;

/// rpk's rule; below it caches and buffers of a shard become small.
const MEMORY_PER_CORE_WANTED: u64 = 2 << 30;

pub(super) fn findings(facts: &TopologyFacts) -> Vec<Finding> {
    vec![cores(facts), memory(facts)]
}

/// The CPUs to give to `--cores`: of every physical core the first CPU that may be used, because two shards on the two
/// threads of one core share its units and slow each other in bursts.
pub fn shard_cores(facts: &TopologyFacts) -> Vec<usize> {
    let mut taken = BTreeSet::new();
    let usable = facts.cpus.iter().filter(|cpu| cpu.is_allowed);
    usable.filter(|cpu| taken.insert(cpu.siblings.first().copied())).map(|cpu| cpu.id).collect()
}

fn cores(facts: &TopologyFacts) -> Finding {
    let rule = Rule {
        what: "cores",
        wanted: "one shard for each physical core",
        says: "perftune",
        why: "Two shards on the two threads of one core share its units and slow each other in bursts.",
    };
    let cores = shard_cores(facts);
    if cores.is_empty() {
        return rule.unknown();
    }
    let nodes: BTreeSet<usize> = facts.cpus.iter().map(|cpu| cpu.numa_node).collect();
    let list: Vec<String> = cores.iter().map(usize::to_string).collect();
    let current = format!(
        "{} CPUs, {} physical cores usable, NUMA nodes: {}; --cores {}",
        facts.cpus.len(),
        cores.len(),
        nodes.len(),
        list.join(",")
    );
    let severity = if cores.len() == facts.cpus.len() && nodes.len() == 1 { Severity::Ok } else { Severity::Info };
    rule.finding(current, severity, None)
}

fn memory(facts: &TopologyFacts) -> Finding {
    let rule = Rule {
        what: "memory per core",
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
    use crate::topology::Cpu;

    /// Two nodes of two cores with two threads each, numbered as Linux does: the second threads come last.
    fn server() -> TopologyFacts {
        let cpu = |id: usize| Cpu { id, numa_node: (id % 4) / 2, siblings: vec![id % 4, id % 4 + 4], is_allowed: true };
        TopologyFacts { cpus: (0..8).map(cpu).collect(), memory_bytes: Some(64 << 30) }
    }

    #[test]
    fn one_thread_of_each_core_gets_a_shard() {
        assert_eq!(shard_cores(&server()), [0, 1, 2, 3]);
        assert_eq!(findings(&server())[0].severity, Severity::Info);
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
        assert_eq!(findings(&facts)[1].current, "16.0 GiB");
        facts.memory_bytes = Some(4 << 30);
        assert_eq!(findings(&facts)[1].severity, Severity::Warning);
    }
}
