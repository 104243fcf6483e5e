//! All that the tasks of one shard work with. Lives on one core, as `Rc<Context>`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use engine::Engine;
use engine::ring::Ring;

use super::lifecycle::Watch;
use crate::clock::Clock;
use crate::config::Config;
use crate::controller::image::Image;
use crate::controller::run::Controller;
use crate::group::run::Groups;
use crate::ids::{NodeId, ShardId};
use crate::mesh::message::Request;
use crate::mesh::{Call, Mesh};
use crate::metrics::Metrics;
use crate::net::{Arrivals, Budget, Connections, RequestMemory};
use crate::partition::Partitions;
use crate::partition::fetch_sessions::FetchSessions;
use crate::partition::run::{Served, serve};
use crate::quota::run::Clients;

/// Who this node is to clients.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    pub cluster_id: String,
    pub node_id: NodeId,
    pub host: String,
    pub port: u16,
}

/// One shard's belongings.
pub struct Context {
    pub shard: ShardId,
    pub shard_count: u16,
    pub ring: Ring,
    pub engine: Engine,
    pub mesh: Mesh,
    pub config: Arc<Config>,
    pub node: NodeInfo,
    /// The durable metadata; each shard replays the records into its own image.
    pub image: RefCell<Image>,
    /// The partitions this shard owns.
    pub partitions: RefCell<Partitions>,
    /// The groups this shard coordinates.
    pub groups: RefCell<Groups>,
    /// Fetch sessions of this shard's connections.
    pub fetch_sessions: RefCell<FetchSessions>,
    /// Memory for what this shard's connections fetch, until it is sent.
    pub fetch_memory: Rc<Budget>,
    /// There is one on [`ShardId::CONTROLLER`] and none elsewhere.
    pub controller: Option<Rc<Controller>>,
    pub clock: Clock,
    pub metrics: Metrics,
    pub connections: Connections,
    pub request_memory: RequestMemory,
    /// The connections of all shards together.
    pub arrivals: Arc<Arrivals>,
    /// Who is bound by quotas.
    pub quota_clients: Clients,
    pub watch: Watch,
}

impl Context {
    /// Asks the shard `owner`, this one or another. The request is on its way, or begun, when this returns.
    pub fn call(self: &Rc<Self>, owner: ShardId, request: Request) -> Call {
        if owner != self.shard {
            self.metrics.mesh_calls.add(1);
            return self.mesh.call(owner, request);
        }
        match serve(self, request) {
            Served::Now(reply) => Call::Now(Some(reply)),
            Served::Later(reply) => Call::Here(reply),
        }
    }
}
