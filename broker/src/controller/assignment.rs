//! Which nodes a client may want to hold a partition. There is one node, so there is one answer.

use crate::ids::NodeId;

/// Why a list of nodes cannot hold a partition. The texts go to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentFault {
    #[error("The manual partition assignment includes an empty replica list.")]
    Nowhere,
    #[error("The manual partition assignment includes the broker {0} more than once.")]
    Twice(NodeId),
    #[error("The manual partition assignment includes broker {0}, but no such broker is registered.")]
    UnknownNode(NodeId),
}

/// Checks the nodes that are to hold one partition, on the cluster that `node` is.
pub fn check(node_ids: &[NodeId], node: NodeId) -> Result<(), AssignmentFault> {
    if node_ids.is_empty() {
        return Err(AssignmentFault::Nowhere);
    }
    if let Some(&unknown) = node_ids.iter().find(|&&node_id| node_id != node) {
        return Err(AssignmentFault::UnknownNode(unknown));
    }
    if node_ids.len() > 1 { Err(AssignmentFault::Twice(node)) } else { Ok(()) }
}
