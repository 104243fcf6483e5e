//! The broker within a process: how the `ringmain` binary, the load generator and the tests start a node.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use engine::ring::{self, ProbeError, RingConfig, RingWaker, ShardHandle};

use crate::clock::Clock;
use crate::config::{Config, MetricsListen};
use crate::ids::ShardId;
use crate::limits::{ADDRESS_MS_MAX, ADDRESS_RETRY_MS, REPORT_MS_MAX, START_MS_MAX};
use crate::mesh;
use crate::metrics::Snapshot;
use crate::metrics::endpoint::Endpoint;
use crate::net::Arrivals;
use crate::quota::run::Allowances;
use crate::shard::directory::{Directory, DirectoryError};
use crate::shard::lifecycle::Lifecycle;
use crate::shard::reshard::{self, ReshardError};
use crate::shard::{self, News, Seed, ShardError};

/// Why a node does not start. Each message is a sentence for the operator, with the remedy where there is one.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Reshard(#[from] ReshardError),
    #[error(transparent)]
    Machine(#[from] ProbeError),
    #[error(transparent)]
    Shard(#[from] ShardError),
    #[error("cannot start the thread of shard {shard} on core {core}: {source}")]
    Thread { shard: ShardId, core: usize, source: io::Error },
    #[error("cannot serve metrics on {address}: {source}; choose another address with --metrics-listen, or none")]
    Metrics { address: SocketAddr, source: io::Error },
    #[error("the node did not start within {START_MS_MAX} ms")]
    Late,
    #[error("a shard ended while it started; the trace above says why")]
    Died,
}

/// Why a node did not stop well.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    #[error(transparent)]
    Shard(#[from] ShardError),
    #[error("a shard ended badly: {0}")]
    Died(io::Error),
}

type ShardThread = ShardHandle<Result<(), ShardError>>;

/// A node that serves. Dropping it stops it, like [`Running::stop`].
pub struct Running {
    /// Where clients reach it.
    pub address: SocketAddr,
    /// Where metrics are served, if they are.
    pub metrics_address: Option<SocketAddr>,
    /// From the call of [`start`] to the moment at which every shard served.
    pub start_duration: Duration,
    shards: Vec<ShardThread>,
    lifecycle: Arc<Lifecycle>,
    _endpoint: Option<Endpoint>,
    /// Let go last, after every shard has closed its files.
    _directory: Directory,
}

/// Stops a node, or has it report, from any thread.
#[derive(Clone)]
pub struct Remote {
    lifecycle: Arc<Lifecycle>,
}

/// Starts a node and returns when it serves clients.
pub fn start(config: Config) -> Result<Running, StartError> {
    let began = Clock.monotonic();
    let features = ring::probe()?;
    let mut directory = Directory::open(&config)?;
    let alignment = ring::check_direct_io(&config.data_dir)?;
    tracing::info!(%features, ?alignment, cores = ?config.cores, "the machine has what is needed");
    refuse_taken_address(config.listen)?;
    reshard::bring_in_line(&config, &mut directory)?;

    let metrics_listen = config.metrics_listen;
    let mut starting = Starting::new(config, directory);
    let endpoint = metrics_listen.map(|listen| open_endpoint(listen, &starting.lifecycle)).transpose()?.flatten();
    let outcome = starting.start_shards().and_then(|address| starting.await_serving(began).map(|()| address));
    match outcome {
        Ok(address) => {
            let start_duration = Clock.monotonic() - began;
            let Starting { shards, lifecycle, directory, .. } = starting;
            let metrics_address = endpoint.as_ref().map(|endpoint| endpoint.address);
            Ok(Running {
                address,
                metrics_address,
                start_duration,
                shards,
                lifecycle,
                _endpoint: endpoint,
                _directory: directory,
            })
        }
        Err(error) => {
            // Shards that have started must let go of the directory before the caller may try again.
            starting.lifecycle.stop();
            let ended = join(std::mem::take(&mut starting.shards));
            if let Err(second) = ended {
                tracing::warn!(error = %second, "while stopping after a failed start");
            }
            Err(error)
        }
    }
}

impl Running {
    /// Stops accepting, answers what is in flight, closes the storage.
    pub fn stop(mut self) -> Result<(), StopError> {
        self.lifecycle.stop();
        join(std::mem::take(&mut self.shards))
    }

    /// Waits until somebody else stops the node.
    pub fn wait(mut self) -> Result<(), StopError> {
        join(std::mem::take(&mut self.shards))
    }

    /// The figures of every shard now.
    pub fn metrics(&self) -> Vec<Arc<Snapshot>> {
        self.lifecycle.collect_reports(Duration::from_millis(REPORT_MS_MAX))
    }

    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    pub fn remote(&self) -> Remote {
        Remote { lifecycle: self.lifecycle.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lifecycle.stop();
        if let Err(error) = join(std::mem::take(&mut self.shards)) {
            tracing::error!(%error, "a dropped node did not stop well");
        }
    }
}

impl Remote {
    /// Asks the node to stop; does not wait.
    pub fn stop(&self) {
        self.lifecycle.stop();
    }

    /// The figures of every shard now; those that a shard does not give in time are missing.
    pub fn metrics(&self) -> Vec<Arc<Snapshot>> {
        self.lifecycle.collect_reports(Duration::from_millis(REPORT_MS_MAX))
    }

    /// Traces the figures of every shard.
    pub fn report(&self) {
        for figures in self.metrics() {
            tracing::info!(shard = %figures.shard, %figures, "figures");
        }
    }
}

/// A node on its way up.
struct Starting {
    config: Arc<Config>,
    directory: Directory,
    lifecycle: Arc<Lifecycle>,
    arrivals: Arc<Arrivals>,
    allowances: Arc<Allowances>,
    endpoints: Vec<mesh::Endpoint>,
    shards: Vec<ShardThread>,
    /// Taken when the shards start, so that only shards hold it.
    news_sender: Option<mpsc::Sender<News>>,
    news: Receiver<News>,
}

impl Starting {
    fn new(config: Config, directory: Directory) -> Self {
        let wakers: Arc<[OnceLock<RingWaker>]> = config.cores.iter().map(|_| OnceLock::new()).collect();
        let (news_sender, news) = mpsc::channel();
        Self {
            endpoints: mesh::endpoints(&wakers),
            lifecycle: Lifecycle::new(wakers),
            arrivals: Arrivals::new(config.arrivals.clone(), Clock.monotonic()),
            allowances: Allowances::new(Clock.monotonic()),
            shards: Vec::with_capacity(config.cores.len()),
            config: Arc::new(config),
            directory,
            news_sender: Some(news_sender),
            news,
        }
    }

    /// Starts every shard's thread. The first one decides the port, so that port 0 gives all shards the same.
    fn start_shards(&mut self) -> Result<SocketAddr, StartError> {
        let mut address = self.config.listen;
        let news = self.news_sender.take().expect("shards are started once");
        for endpoint in std::mem::take(&mut self.endpoints) {
            let shard = endpoint.shard();
            let seed = Seed {
                shard,
                config: self.config.clone(),
                identity: self.directory.identity.clone(),
                endpoint,
                lifecycle: self.lifecycle.clone(),
                arrivals: self.arrivals.clone(),
                allowances: self.allowances.clone(),
                listen: address,
                news: news.clone(),
            };
            let core = self.config.cores[shard.index()].0;
            let thread = ring::spawn_shard(&format!("shard-{shard}"), Some(core), RingConfig::default(), move |ring| {
                shard::run(ring, seed)
            });
            self.shards.push(thread.map_err(|source| StartError::Thread { shard, core, source })?);
            if shard == ShardId(0) {
                address = self.await_address()?;
            }
        }
        Ok(address)
    }

    fn await_address(&self) -> Result<SocketAddr, StartError> {
        match self.news.recv_timeout(Duration::from_millis(START_MS_MAX)) {
            Ok(News::Listening(address)) => Ok(address),
            Ok(News::Failed(error)) => Err(error.into()),
            Ok(News::Serving) => unreachable!("a shard listens before it serves"),
            Err(RecvTimeoutError::Timeout) => Err(StartError::Late),
            Err(RecvTimeoutError::Disconnected) => Err(StartError::Died),
        }
    }

    fn await_serving(&mut self, began: Instant) -> Result<(), StartError> {
        let deadline = began + Duration::from_millis(START_MS_MAX);
        let mut serving = 0;
        while serving < self.shards.len() {
            let left = deadline.saturating_duration_since(Clock.monotonic());
            match self.news.recv_timeout(left) {
                Ok(News::Listening(_)) => {}
                Ok(News::Serving) => serving += 1,
                // The shard that failed tells why before the others hear that they have to stop.
                Ok(News::Failed(error)) => return Err(error.into()),
                Err(RecvTimeoutError::Timeout) => return Err(StartError::Late),
                Err(RecvTimeoutError::Disconnected) => return Err(StartError::Died),
            }
        }
        Ok(())
    }
}

/// A second node on a machine does without metrics if nobody has given it an address for them: it is there for its clients.
fn open_endpoint(listen: MetricsListen, lifecycle: &Arc<Lifecycle>) -> Result<Option<Endpoint>, StartError> {
    let address = listen.address;
    match Endpoint::start(address, lifecycle.clone()) {
        Ok(endpoint) => Ok(Some(endpoint)),
        Err(error) if listen.is_default => {
            tracing::warn!(%address, %error, "no metrics are served; choose another address with --metrics-listen");
            Ok(None)
        }
        Err(source) => Err(StartError::Metrics { address, source }),
    }
}

/// The shards share their port through `SO_REUSEPORT`, which would as gladly share it with another node of the same user.
fn refuse_taken_address(listen: SocketAddr) -> Result<(), StartError> {
    if listen.port() == 0 {
        return Ok(());
    }
    let begun = Clock.monotonic();
    loop {
        match TcpListener::bind(listen) {
            Ok(_) => return Ok(()),
            Err(source)
                if source.kind() == io::ErrorKind::AddrInUse
                    && Clock.monotonic() - begun < Duration::from_millis(ADDRESS_MS_MAX) =>
            {
                pause(Duration::from_millis(ADDRESS_RETRY_MS));
            }
            Err(source) => return Err(ShardError::Listen { address: listen, source }.into()),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "no shard runs yet, so no core is held up")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Waits for every shard; the first error counts.
fn join(shards: Vec<ShardThread>) -> Result<(), StopError> {
    let mut outcome = Ok(());
    for shard in shards {
        let ended = shard.join().map_err(StopError::Died).and_then(|ended| ended.map_err(StopError::Shard));
        outcome = outcome.and(ended);
    }
    outcome
}
