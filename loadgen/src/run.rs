//! SHELL: makes a run of options: broker, topic, connections, threads, and what they counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use wire::ApiKey;

use crate::arrival::Arrivals;
use crate::clock::{SECOND_NS, now_ns, wall_offset_ns};
use crate::cluster::Cluster;
use crate::connection::Connection;
use crate::consumer::{ConsumePlan, Consumer, Position};
use crate::embedded::Embedded;
use crate::interval_log::IntervalLog;
use crate::load::Load;
use crate::payload::Template;
use crate::producer::{ProducePlan, Producer, ProducerParts};
use crate::progress::Progress;
use crate::report::{Broker, Measured, Report};
use crate::schedule::Schedule;
use crate::sequences::Sequences;
use crate::tally::{Tally, Window};
use crate::timeline::Timeline;
use crate::worker::Worker;
use crate::{Failure, From, Keys, Mode, Options, Rate, Until, client, keys};

/// Between the last preparation and the first due record, so that every thread is awake by then.
const START_DELAY_NS: u64 = 20_000_000;
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// Consuming up to an end is given up after this long without a record.
const STALL_NS: u64 = 30 * SECOND_NS;
/// With keys a request takes the batches of all partitions that are ready, up to here.
const REQUEST_BATCHES_KEYED_MAX: usize = 256;
/// A window without a planned end.
const OPEN_END_NS: u64 = u64::MAX / 4;

/// Runs the load and reports. Blocks until it is over; the embedded broker, if any, is stopped afterwards.
pub fn run(options: Options) -> Result<Report, Failure> {
    options.check()?;
    let embedded = match &options.bootstrap {
        Some(_) => None,
        None => Some(Embedded::start(&options.embedded)?),
    };
    let broker = match (&options.bootstrap, &embedded) {
        (Some(address), _) => Broker { address: address.clone(), embedded_in: None },
        (None, Some(embedded)) => {
            Broker { address: embedded.address(), embedded_in: Some(embedded.data_dir().to_owned()) }
        }
        (None, None) => unreachable!("one of them is there"),
    };
    let report = load(broker, options);
    if let Some(embedded) = embedded {
        embedded.stop()?;
    }
    report
}

fn load(broker: Broker, options: Options) -> Result<Report, Failure> {
    let cluster = Cluster::prepare(&broker.address, &options)?;
    let preparation = Preparation::new(&options, &cluster)?;
    let start_ns = now_ns() + START_DELAY_NS;
    let warm_up_ns = if options.until == Until::Duration { options.warm_up.as_nanos() as u64 } else { 0 };
    let window_start_ns = start_ns + warm_up_ns;
    let end_ns = match options.until {
        Until::Duration => window_start_ns + options.duration.as_nanos() as u64,
        Until::End | Until::Messages(_) => OPEN_END_NS,
    };
    let window = Window { start_ns: window_start_ns, end_ns };
    let producing_workers = if options.has_producers() { options.threads.min(options.producers) } else { 0 };
    let progress = Arc::new(Progress::new(producing_workers, Arc::clone(&options.stop)));
    let epoch_ns = start_ns as i64 + wall_offset_ns();
    let log = match &options.hdr_log {
        Some(path) => {
            let log = IntervalLog::create(path, epoch_ns, start_ns);
            Some(log.map_err(|source| Failure::Output { path: path.clone(), source })?)
        }
        None => None,
    };
    let mut timeline = Timeline::new(start_ns, window, log);

    let workers = preparation.workers(&options, &cluster, start_ns, window, &progress)?;
    let (results, receiver) = channel();
    let mut threads = Vec::new();
    for (number, worker) in workers.into_iter().enumerate() {
        let results = results.clone();
        let thread = std::thread::Builder::new().name(format!("loadgen-{number}")).spawn(move || {
            // The receiver is there until every worker has answered.
            let _ = results.send(worker.run());
        })?;
        threads.push(thread);
    }
    drop(results);
    let mut watch = Watch { window, last_records: 0, last_change_ns: start_ns };
    let tally = gather(&receiver, |now_ns| {
        let line = timeline.on_look(&progress, now_ns)?;
        if options.progress {
            eprintln!("{line}");
        }
        if options.until != Until::Duration && watch.is_stalled(&progress, now_ns) {
            progress.stop.store(true, Relaxed);
        }
        Ok(())
    })?;
    for thread in threads {
        thread.join().map_err(|_| Failure::Worker)?;
    }
    timeline.on_look(&progress, now_ns())?;
    let measured_ns = match options.until {
        // Less than planned if the run was stopped.
        Until::Duration => now_ns().clamp(window.start_ns + 1, window.end_ns) - window.start_ns,
        Until::End | Until::Messages(_) => tally.consumed_last_ns.saturating_sub(start_ns).max(1),
    };
    let measured = Measured { tally, latencies: timeline.total, timeline: timeline.slices, epoch_ns, measured_ns };
    Ok(Report::new(options, broker, cluster.leaders.len(), measured))
}

/// Sees whether a run without a planned end still moves.
struct Watch {
    window: Window,
    last_records: u64,
    last_change_ns: u64,
}

impl Watch {
    fn is_stalled(&mut self, progress: &Progress, now_ns: u64) -> bool {
        debug_assert!(self.window.end_ns > now_ns);
        let records = progress.consumed_records.load(Relaxed);
        if records != self.last_records {
            self.last_records = records;
            self.last_change_ns = now_ns;
        }
        now_ns.saturating_sub(self.last_change_ns) > STALL_NS
    }
}

/// Waits for all workers and calls `every_second` meanwhile.
fn gather(
    receiver: &Receiver<std::io::Result<Tally>>,
    mut every_second: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<Tally, Failure> {
    let mut total = Tally::new();
    loop {
        match receiver.recv_timeout(PROGRESS_INTERVAL) {
            Ok(tally) => total.merge(&tally?),
            Err(RecvTimeoutError::Timeout) => every_second(now_ns())?,
            Err(RecvTimeoutError::Disconnected) => return Ok(total),
        }
    }
}

/// All that takes time before a run: connections, templates, offsets.
struct Preparation {
    producers: Vec<(Links<usize>, Vec<Template>, Option<Sequences>)>,
    consumers: Vec<Links<Position>>,
    key_partitions: Vec<usize>,
    /// Bytes of a record's key and value.
    payload_bytes: u64,
    request_batches_max: usize,
    run: u64,
}

/// Connections, each with what is led behind it.
type Links<T> = Vec<(Connection, Vec<T>)>;

impl Preparation {
    fn new(options: &Options, cluster: &Cluster) -> Result<Self, Failure> {
        let partitions = cluster.leaders.len();
        let all_keys: Vec<Vec<u8>> = match options.keys {
            Keys::None => Vec::new(),
            Keys::Count(count) => (0..count).map(keys::key).collect(),
        };
        let key_partitions: Vec<usize> = all_keys.iter().map(|key| keys::partition_of(key, partitions)).collect();
        let request_batches_max = options.request_batches_max.unwrap_or(match options.keys {
            Keys::None => 1,
            Keys::Count(_) => REQUEST_BATCHES_KEYED_MAX.min(partitions),
        });
        let run = now_ns().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut producers = Vec::new();
        if options.has_producers() {
            for number in 0..options.producers {
                let led = key_partitioned_or_all(&key_partitions, partitions);
                let templates =
                    templates(options, &all_keys, &key_partitions, partitions, request_batches_max, run, number);
                let sequences = if options.idempotent { Some(cluster.sequences()?) } else { None };
                producers.push((links(cluster, led)?, templates, sequences));
            }
        }
        let mut consumers = Vec::new();
        if options.has_consumers() {
            for share in positions(options, cluster)? {
                consumers.push(links(cluster, share.into_iter().map(|position| (position.partition, position)))?);
            }
        }
        let payload_bytes = (options.record_bytes + all_keys.first().map_or(0, Vec::len)) as u64;
        Ok(Preparation { producers, consumers, key_partitions, payload_bytes, request_batches_max, run })
    }

    fn workers(
        self,
        options: &Options,
        cluster: &Cluster,
        start_ns: u64,
        window: Window,
        progress: &Arc<Progress>,
    ) -> Result<Vec<Worker>, Failure> {
        let mut workers: Vec<Worker> = (0..options.threads)
            .map(|_| Worker {
                producers: Vec::new(),
                consumers: Vec::new(),
                progress: Arc::clone(progress),
                start_ns,
                window,
                follows_producers: options.mode == Mode::EndToEnd,
            })
            .collect();
        let run = (options.mode == Mode::EndToEnd).then_some(self.run);
        if !self.producers.is_empty() {
            let plan =
                Arc::new(produce_plan(options, cluster, window, self.payload_bytes, self.request_batches_max, run)?);
            let partitions = cluster.leaders.len();
            for (number, (links, templates, sequences)) in self.producers.into_iter().enumerate() {
                let load = match options.rate {
                    Rate::Max => Load::Unbounded,
                    Rate::PerSecond(records_per_second) => {
                        let (producer, producers) = (number as u64, options.producers as u64);
                        let schedule =
                            Schedule { start_ns, end_ns: window.end_ns, records_per_second, producer, producers };
                        Load::scheduled(schedule, &self.key_partitions, &templates, plan.linger_ns)
                    }
                };
                let parts = ProducerParts {
                    plan: Arc::clone(&plan),
                    progress: Arc::clone(progress),
                    number: number as u64,
                    load,
                    templates,
                    links,
                    partitions,
                    turn: number * partitions / options.producers,
                    sequences,
                };
                workers[number % options.threads].producers.push(Producer::new(parts));
            }
        }
        if !self.consumers.is_empty() {
            let plan = Arc::new(consume_plan(options, cluster, window)?);
            for (number, links) in self.consumers.into_iter().enumerate() {
                let arrivals = run.map(|run| Arrivals::new(run, cluster.leaders.len(), options.producers));
                let consumer = Consumer::new(Arc::clone(&plan), Arc::clone(progress), links, arrivals);
                workers[number % options.threads].consumers.push(consumer);
            }
        }
        workers.retain(|worker| !worker.producers.is_empty() || !worker.consumers.is_empty());
        Ok(workers)
    }
}

fn produce_plan(
    options: &Options,
    cluster: &Cluster,
    window: Window,
    payload_bytes: u64,
    request_batches_max: usize,
    run: Option<u64>,
) -> Result<ProducePlan, Failure> {
    Ok(ProducePlan {
        topic: options.topic.clone(),
        version: cluster.versions.pick(ApiKey::Produce, 9)?,
        acks: options.acks.code(),
        linger_ns: options.linger.as_nanos() as u64,
        in_flight_max: options.in_flight_max,
        request_batches_max,
        payload_bytes,
        run,
        window,
        wall_offset_ns: wall_offset_ns(),
    })
}

fn consume_plan(options: &Options, cluster: &Cluster, window: Window) -> Result<ConsumePlan, Failure> {
    Ok(ConsumePlan {
        topic: options.topic.clone(),
        topic_id: cluster.topic_id,
        version: cluster.versions.pick(ApiKey::Fetch, 12)?,
        wait_ms: options.fetch_wait.as_millis() as i32,
        bytes_min: options.fetch_bytes_min as i32,
        bytes_max: options.fetch_bytes_max as i32,
        partition_bytes_max: options.fetch_partition_bytes_max as i32,
        verify: options.verify,
        window,
        records_max: match options.until {
            Until::Messages(count) => Some(count),
            Until::Duration | Until::End => None,
        },
    })
}

/// The partitions that a producer uses: all, or those to which a key goes.
fn key_partitioned_or_all(key_partitions: &[usize], partitions: usize) -> impl Iterator<Item = (usize, usize)> {
    let used: Vec<usize> =
        (0..partitions).filter(|partition| key_partitions.is_empty() || key_partitions.contains(partition)).collect();
    used.into_iter().map(|partition| (partition, partition))
}

fn templates(
    options: &Options,
    all_keys: &[Vec<u8>],
    key_partitions: &[usize],
    partitions: usize,
    request_batches_max: usize,
    run: u64,
    producer: usize,
) -> Vec<Template> {
    let template = |keys: &[Vec<u8>], number: usize| {
        let seed = run.wrapping_add((producer * 1_000_003 + number) as u64).wrapping_mul(0x2545_f491_4f6c_dd1d);
        Template::new(options.record_bytes, options.batch_bytes, keys, seed)
    };
    if all_keys.is_empty() {
        return (0..request_batches_max).map(|number| template(&[], number)).collect();
    }
    let mut keys_of = vec![Vec::new(); partitions];
    for (key, &partition) in all_keys.iter().zip(key_partitions) {
        keys_of[partition].push(key.clone());
    }
    keys_of.iter().enumerate().map(|(partition, keys)| template(keys, partition)).collect()
}

/// Shares the partitions out to the consumers, each with its start and its end.
fn positions(options: &Options, cluster: &Cluster) -> Result<Vec<Vec<Position>>, Failure> {
    let from = if options.mode == Mode::EndToEnd { From::Latest } else { options.from };
    let starts = cluster.offsets(&options.topic, from)?;
    let ends = match options.until {
        Until::End => cluster.offsets(&options.topic, From::Latest)?,
        Until::Duration | Until::Messages(_) => vec![i64::MAX; starts.len()],
    };
    let mut shares = vec![Vec::new(); options.consumers];
    for (partition, (&offset, &end)) in starts.iter().zip(&ends).enumerate() {
        shares[partition % options.consumers].push(Position { partition, offset, end });
    }
    shares.retain(|share| !share.is_empty());
    Ok(shares)
}

/// Connects to every node that leads one of the partitions.
fn links<T>(cluster: &Cluster, partitions: impl Iterator<Item = (usize, T)>) -> Result<Links<T>, Failure> {
    let mut by_node: BTreeMap<i32, Vec<T>> = BTreeMap::new();
    for (partition, item) in partitions {
        by_node.entry(cluster.leaders[partition]).or_default().push(item);
    }
    let connect = |(node, items)| Ok((Connection::new(client::connect(&cluster.nodes[&node])?)?, items));
    by_node.into_iter().map(connect).collect()
}
