//! Reads which CPUs there are and what they share.

use crate::root::{self, Root};

/// A logical CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    pub id: usize,
    pub numa_node: usize,
    /// The CPUs of the same physical core, this one included, in ascending order.
    pub siblings: Vec<usize>,
    /// Whether this process may run on it.
    pub is_allowed: bool,
}

#[derive(Clone, Debug, Default)]
pub struct TopologyFacts {
    /// Those that are online.
    pub cpus: Vec<Cpu>,
    pub memory_bytes: Option<u64>,
}

pub fn read(root: &Root) -> TopologyFacts {
    let online = root.text("/sys/devices/system/cpu/online").map_or_else(Vec::new, |text| root::cpu_list(&text));
    let status = root.text("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).map(root::cpu_list);
    let nodes = numa_nodes(root);
    let cpu = |id: usize| Cpu {
        id,
        numa_node: nodes.iter().find(|(_, cpus)| cpus.contains(&id)).map_or(0, |&(node, _)| node),
        siblings: siblings(root, id),
        is_allowed: allowed.as_ref().is_none_or(|allowed| allowed.contains(&id)),
    };
    TopologyFacts { cpus: online.into_iter().map(cpu).collect(), memory_bytes: memory_bytes(root) }
}

fn numa_nodes(root: &Root) -> Vec<(usize, Vec<usize>)> {
    let directory = "/sys/devices/system/node";
    let node = |name: String| -> Option<(usize, Vec<usize>)> {
        let number = name.strip_prefix("node")?.parse().ok()?;
        Some((number, root::cpu_list(&root.text(&format!("{directory}/{name}/cpulist"))?)))
    };
    root.names(directory).into_iter().filter_map(node).collect()
}

fn siblings(root: &Root, id: usize) -> Vec<usize> {
    let topology = format!("/sys/devices/system/cpu/cpu{id}/topology");
    // The first name is that of kernels since 4.20.
    let listed =
        ["core_cpus_list", "thread_siblings_list"].iter().find_map(|name| root.text(&format!("{topology}/{name}")));
    let mut siblings = listed.map_or_else(Vec::new, |text| root::cpu_list(&text));
    if !siblings.contains(&id) {
        siblings.push(id);
    }
    siblings.sort_unstable();
    siblings
}

fn memory_bytes(root: &Root) -> Option<u64> {
    let meminfo = root.text("/proc/meminfo")?;
    let kib: u64 =
        meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}
