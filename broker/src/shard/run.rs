//! The life of one shard, on its own thread: open, serve, drain, close. `lifecycle` draws the states.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::task::Poll;
use std::time::Duration;

use engine::ring::{self, Listener, Ring};
use engine::{Engine, EngineConfig, Generation, OpenError, StorageError};

use super::context::{Context, NodeInfo};
use super::directory::Identity;
use super::lifecycle::{Lifecycle, Watch};
use super::open_files;
use crate::clock::Clock;
use crate::config::Config;
use crate::controller;
use crate::controller::run::Controller;
use crate::group;
use crate::group::run::Groups;
use crate::ids::ShardId;
use crate::limits::{ACCEPT_BACKLOG, DRAIN_MS_MAX, SHUTDOWN_MS_MAX, request_budget_bytes};
use crate::mesh::message::Request;
use crate::mesh::{self, CallId, Mesh};
use crate::metrics::Metrics;
use crate::net::{self, Budget, Connections, Order, RequestMemory};
use crate::partition;
use crate::partition::limits::fetch_budget_bytes;
use crate::partition::run::Served;

/// What a shard is given at its start.
pub struct Seed {
    pub shard: ShardId,
    pub config: Arc<Config>,
    pub identity: Identity,
    pub endpoint: mesh::Endpoint,
    pub lifecycle: Arc<Lifecycle>,
    /// Where to listen. Port 0, for the first shard only, means any.
    pub listen: SocketAddr,
    pub news: Sender<News>,
}

/// What a shard tells the thread that starts it.
#[derive(Debug)]
pub enum News {
    /// It listens on this address; nobody is accepted yet.
    Listening(SocketAddr),
    /// It serves clients.
    Serving,
    /// It does not, and will end.
    Failed(ShardError),
}

/// Why a shard does not serve, or did not close well. Each message is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("shard {shard} cannot open its storage: {source}")]
    Storage { shard: ShardId, source: OpenError },
    #[error("the metadata cannot be read: {0}")]
    Metadata(String),
    #[error("the node was stopped while it started")]
    Stopped,
    #[error("shard {shard} did not close its storage: {source}")]
    Close { shard: ShardId, source: StorageError },
    #[error("shard {shard} did not close its storage within {limit_ms} ms; it will be recovered at the next start")]
    CloseLate { shard: ShardId, limit_ms: u64 },
}

/// Runs a shard from its opening to its end. A failed start is told as [`News::Failed`] and is no error here.
pub async fn run(ring: Ring, seed: Seed) -> Result<(), ShardError> {
    let (news, lifecycle) = (seed.news.clone(), seed.lifecycle.clone());
    let _alarm = Alarm(lifecycle.clone());
    lifecycle.register(seed.shard, ring.waker());
    let (ctx, listener) = match open(&ring, seed).await {
        Ok(opened) => opened,
        Err(error) => {
            give_up(&lifecycle, &news, error);
            lifecycle.shard_drained();
            return Ok(());
        }
    };
    match begin(&ctx).await {
        Ok(()) => {
            tell(&news, News::Serving);
            serve(&ctx, listener).await;
        }
        Err(error) => give_up(&lifecycle, &news, error),
    }
    close(&ctx).await
}

/// Stops the node when its shard panics, where a panic does not end the process: no shard can do without another.
struct Alarm(Arc<Lifecycle>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
            self.0.shard_drained();
        }
    }
}

fn give_up(lifecycle: &Lifecycle, news: &Sender<News>, error: ShardError) {
    tell(news, News::Failed(error));
    // The other shards may be waiting for this one.
    lifecycle.stop();
}

fn tell(news: &Sender<News>, what: News) {
    // Nobody listens any more if the start has failed already.
    let _ = news.send(what);
}

/// Opens what belongs to the shard alone: its port and its storage.
async fn open(ring: &Ring, seed: Seed) -> Result<(Rc<Context>, Listener), ShardError> {
    let Seed { shard, config, identity, endpoint, lifecycle, listen, news } = seed;
    let listen_error = |source| ShardError::Listen { address: listen, source };
    let listener = ring.listen(listen, ACCEPT_BACKLOG).map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;
    tell(&news, News::Listening(address));

    let request_bytes = request_budget_bytes(config.memory_bytes_per_shard);
    let fetch_bytes = fetch_budget_bytes(config.memory_bytes_per_shard);
    let engine_config = engine_config(&config, identity.generation(), shard);
    let opened = Engine::open(ring.clone(), engine_config).await;
    let (engine, recovered) = opened.map_err(|source| ShardError::Storage { shard, source })?;
    tracing::info!(
        %shard,
        logs = recovered.logs.len(),
        groups_replayed = recovered.groups_replayed,
        bytes_replayed = recovered.bytes_replayed,
        groups_cut = recovered.groups_cut,
        ms = recovered.ms,
        "storage opened"
    );
    let advertised = config.advertised.clone();
    let ctx = Rc::new(Context {
        shard,
        shard_count: config.shard_count(),
        ring: ring.clone(),
        engine,
        mesh: Mesh::new(endpoint),
        node: NodeInfo {
            cluster_id: identity.cluster_id,
            node_id: config.node_id,
            host: advertised.as_ref().map_or_else(|| address.ip().to_string(), |advertised| advertised.host.clone()),
            port: advertised.map_or(address.port(), |advertised| advertised.port),
        },
        // `partition::run::attach` gives it the configured defaults.
        image: RefCell::default(),
        partitions: RefCell::default(),
        groups: RefCell::new(Groups::new(Clock.monotonic(), config.memory_bytes_per_shard)),
        fetch_sessions: RefCell::default(),
        fetch_memory: Budget::new(fetch_bytes as usize),
        controller: (shard == ShardId::CONTROLLER).then(|| Controller::new(&config)),
        clock: Clock,
        metrics: Metrics::new(shard),
        connections: Connections::default(),
        request_memory: RequestMemory::new(request_bytes as usize, config.request_bytes_max as usize),
        watch: Watch::new(lifecycle),
        config,
    });
    Ok((ctx, listener))
}

/// What the node's configuration means for the storage of one shard.
pub(super) fn engine_config(config: &Config, generation: Generation, shard: ShardId) -> EngineConfig {
    let memory_bytes = config.memory_bytes_per_shard;
    let lent_bytes = request_budget_bytes(memory_bytes) + fetch_budget_bytes(memory_bytes);
    EngineConfig {
        generation,
        journal_bytes_max: config.journal_bytes_per_shard,
        group_bytes: config.group_bytes,
        memory_bytes_max: (memory_bytes - lent_bytes) as usize,
        disk_reserve_bytes: config.disk_reserve_bytes,
        disk_sharers: config.shard_count(),
        retention_check: config.retention_check,
        compaction_check: config.compaction_check,
        producer_expiry: config.producer_expiry,
        compaction_bytes_per_s: config.compaction_bytes_per_s_per_shard,
        scrub_bytes_per_s: config.scrub_bytes_per_s,
        open_segments_max: open_files::segments_of_a_shard(config.shard_count()),
        ..EngineConfig::new(config.data_dir.clone(), shard.0)
    }
}

/// Joins the other shards. When this returns the metadata is applied on all of them.
async fn begin(ctx: &Rc<Context>) -> Result<(), ShardError> {
    partition::run::attach(ctx);
    group::run::attach(ctx);
    attach_mesh(ctx);
    if ctx.shard == ShardId::CONTROLLER {
        let loaded = unless_stopping(ctx, controller::run::recover(ctx)).await.ok_or(ShardError::Stopped)?;
        loaded.map_err(|error| ShardError::Metadata(error.to_string()))?;
        ctx.watch.lifecycle().serve();
    }
    ctx.watch.until(|lifecycle| lifecycle.is_serving() || lifecycle.is_stopping()).await;
    if ctx.watch.lifecycle().is_serving() { Ok(()) } else { Err(ShardError::Stopped) }
}

/// Lets the ring's driver bring in what other shards ask and answer.
fn attach_mesh(ctx: &Rc<Context>) {
    // The driver outlives the shard's main task, and the context holds the ring.
    let weak = Rc::downgrade(ctx);
    let inbox = move || {
        let Some(ctx) = weak.upgrade() else { return false };
        let changed = ctx.watch.turn();
        ctx.mesh.turn(|from, call, request| answer(&ctx, from, call, request)) || changed
    };
    let mesh = ctx.mesh.clone();
    ctx.ring.attach_inbox(inbox, move |sleeping| mesh.announce(sleeping));
}

fn answer(ctx: &Rc<Context>, from: ShardId, call: CallId, request: Request) {
    ctx.metrics.mesh_served.add(1);
    match partition::run::serve(ctx, request) {
        Served::Now(reply) => ctx.mesh.reply(from, call, reply),
        Served::Later(reply) => {
            let mesh = ctx.mesh.clone();
            ring::spawn(async move { mesh.reply(from, call, reply.await) });
        }
    }
}

/// Serves clients until the node is asked to stop, then answers what is in flight.
async fn serve(ctx: &Rc<Context>, listener: Listener) {
    ring::spawn({
        let ctx = ctx.clone();
        async move { unless_stopping(&ctx, net::accept(ctx.clone(), listener)).await }
    });
    ring::spawn(net::sweep(ctx.clone()));
    ring::spawn(hand_in_reports(ctx.clone()));
    ctx.watch.until(Lifecycle::is_stopping).await;
    let open = ctx.connections.open_count();
    group::run::resign(ctx);
    ctx.connections.demand_of_all(Order::Finish);
    let drained = ctx.ring.timeout(ctx.connections.all_left(), Duration::from_millis(DRAIN_MS_MAX)).await;
    if drained.is_err() {
        let left = ctx.connections.open_count();
        tracing::info!(shard = %ctx.shard, left, "closing connections whose answers did not come in time");
        ctx.connections.demand_of_all(Order::Close);
        ctx.connections.all_left().await;
    }
    tracing::info!(shard = %ctx.shard, connections = open, "no longer serving");
}

/// Waits until no shard needs this one any more, and closes the storage.
async fn close(ctx: &Rc<Context>) -> Result<(), ShardError> {
    let shard = ctx.shard;
    ctx.watch.lifecycle().shard_drained();
    let drained = ctx.watch.until(Lifecycle::all_drained);
    if ctx.ring.timeout(drained, Duration::from_millis(2 * DRAIN_MS_MAX)).await.is_err() {
        tracing::warn!(%shard, "another shard has not finished; closing the storage all the same");
    }
    let figures = ctx.metrics.snapshot();
    tracing::info!(%shard, %figures, "figures since the start");
    match ctx.ring.timeout(ctx.engine.shutdown(), Duration::from_millis(SHUTDOWN_MS_MAX)).await {
        Ok(closed) => closed.map_err(|source| ShardError::Close { shard, source }),
        Err(_) => Err(ShardError::CloseLate { shard, limit_ms: SHUTDOWN_MS_MAX }),
    }
}

async fn hand_in_reports(ctx: Rc<Context>) {
    let mut handed_in = 0;
    loop {
        ctx.watch.until(|lifecycle| lifecycle.reports_asked() > handed_in).await;
        handed_in = ctx.watch.lifecycle().reports_asked();
        let figures = ctx.metrics.snapshot();
        tracing::info!(shard = %ctx.shard, %figures, "figures");
        ctx.watch.lifecycle().hand_in(handed_in, figures);
    }
}

/// Runs `work` until it is done, or drops it when the node is asked to stop.
async fn unless_stopping<F: Future>(ctx: &Context, work: F) -> Option<F::Output> {
    let mut stopping = pin!(ctx.watch.until(Lifecycle::is_stopping));
    let mut work = pin!(work);
    poll_fn(|cx| match stopping.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(cx).map(Some),
    })
    .await
}
