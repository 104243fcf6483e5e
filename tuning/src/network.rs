//! Reads how the kernel takes connections and how packets find their CPU.

use crate::interrupts::{self, Interrupt};
use crate::root::{self, Root};

/// A network card; not the loopback, bridges and the like, which have no device.
#[derive(Clone, Debug, Default)]
pub struct Card {
    pub name: String,
    pub receive_queues: Vec<ReceiveQueue>,
    pub send_queues: Vec<SendQueue>,
    pub interrupts: Vec<Interrupt>,
    pub numa_node: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiveQueue {
    /// As `rx-0`.
    pub name: String,
    /// CPUs that packets are handed to after the interrupt; none keeps them where they arrived.
    pub cpus: Vec<usize>,
    pub flows: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendQueue {
    /// As `tx-0`.
    pub name: String,
    /// CPUs that send through it. None if the kernel does not let one choose, as with a single queue.
    pub cpus: Option<Vec<usize>>,
}

#[derive(Clone, Debug, Default)]
pub struct NetworkFacts {
    pub somaxconn: Option<u64>,
    pub syn_backlog: Option<u64>,
    pub receive_bytes_max: Option<u64>,
    pub send_bytes_max: Option<u64>,
    /// Least, first and most bytes of a TCP socket's receive buffer.
    pub tcp_receive_bytes: Vec<u64>,
    pub tcp_send_bytes: Vec<u64>,
    pub flow_entries: Option<u64>,
    pub cards: Vec<Card>,
    pub has_irqbalance: bool,
}

/// Reads all of it.
pub fn read(root: &Root) -> NetworkFacts {
    let core = |name: &str| root.number(&format!("/proc/sys/net/core/{name}"));
    let three = |name: &str| {
        let text = root.text(&format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    NetworkFacts {
        somaxconn: core("somaxconn"),
        syn_backlog: root.number("/proc/sys/net/ipv4/tcp_max_syn_backlog"),
        receive_bytes_max: core("rmem_max"),
        send_bytes_max: core("wmem_max"),
        tcp_receive_bytes: three("tcp_rmem"),
        tcp_send_bytes: three("tcp_wmem"),
        flow_entries: core("rps_sock_flow_entries"),
        cards: root.names("/sys/class/net").into_iter().filter_map(|name| card(root, name)).collect(),
        has_irqbalance: root.exists("/run/irqbalance") || root.exists("/run/irqbalance.pid"),
    }
}

fn card(root: &Root, name: String) -> Option<Card> {
    let device = root.link_name(&format!("/sys/class/net/{name}/device"))?;
    let queues = format!("/sys/class/net/{name}/queues");
    let names = root.names(&queues);
    let file = |queue: &str, file: &str| root.text(&format!("{queues}/{queue}/{file}"));
    let receive = |queue: &String| ReceiveQueue {
        cpus: file(queue, "rps_cpus").map_or_else(Vec::new, |text| root::cpu_mask(&text)),
        flows: file(queue, "rps_flow_cnt").and_then(|text| text.parse().ok()),
        name: queue.clone(),
    };
    let send = |queue: &String| SendQueue {
        cpus: file(queue, "xps_cpus").map(|text| root::cpu_mask(&text)),
        name: queue.clone(),
    };
    Some(Card {
        receive_queues: names.iter().filter(|queue| queue.starts_with("rx-")).map(receive).collect(),
        send_queues: names.iter().filter(|queue| queue.starts_with("tx-")).map(send).collect(),
        interrupts: interrupts::of_device(root, &[&name, &device]),
        numa_node: root.number(&format!("/sys/bus/pci/devices/{device}/numa_node")),
        name,
    })
}
