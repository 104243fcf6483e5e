//! Reads how the kernel takes connections.

use crate::root::Root;

#[derive(Clone, Debug, Default)]
pub struct NetworkFacts {
    pub somaxconn: Option<u64>,
    pub syn_backlog: Option<u64>,
}

pub fn read(root: &Root) -> NetworkFacts {
    NetworkFacts {
        somaxconn: root.number("/proc/sys/net/core/somaxconn"),
        syn_backlog: root.number("/proc/sys/net/ipv4/tcp_max_syn_backlog"),
    }
}
