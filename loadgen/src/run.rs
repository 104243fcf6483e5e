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
use crate::composer::{Composer, Recipe};
use crate::connection::Connection;
use crate::consumer::{ConsumePlan, Consumer, Position};
use crate::interval_log::IntervalLog;
use crate::load::Load;
use crate::maker::Maker;
use crate::payload::{Template, mix};
use crate::producer::{ProducePlan, Producer, ProducerParts};
use crate::progress::Progress;
use crate::report::{Broker, Measured, Report};
use crate::schedule::{Pace, Schedule};
use crate::sequences::Sequences;
use crate::tally::{Tally, Window};
use crate::timeline::Timeline;
use crate::worker::Worker;
use crate::{Compression, Failure, From, Keys, Mode, Options, Rate, Sizes, Until, client, keys, workloads};

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
    workloads::on_broker(&options.clone(), |broker| on(broker, options))
}

/// Runs the load on a broker that is there.
pub(crate) fn on(broker: &Broker, options: Options) -> Result<Report, Failure> {
    options.check()?;
    let cluster = Cluster::prepare(&broker.address, &options)?;
    let preparation = Preparation::new(&options, &cluster)?;
    if let Some(gate) = &options.gate {
        gate.pass()?;
    }
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
    Ok(Report::new(options, broker.clone(), cluster.leaders.len(), measured))
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
    producers: Vec<(Links<usize>, Maker, Option<Sequences>)>,
    /// With the reader that each belongs to.
    consumers: Vec<(usize, Links<Position>)>,
    key_partitions: Vec<usize>,
    request_batches_max: usize,
    run: u64,
}

/// Connections, each with what is led behind it.
type Links<T> = Vec<(Connection, Vec<T>)>;

impl Preparation {
    fn new(options: &Options, cluster: &Cluster) -> Result<Self, Failure> {
        let partitions = cluster.leaders.len();
        let run = now_ns().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let keys: Vec<Vec<u8>> = keys::cycle(options.keys, run).into_iter().map(keys::key).collect();
        let key_partitions: Vec<usize> = keys.iter().map(|key| keys::partition_of(key, partitions)).collect();
        let request_batches_max = options.request_batches_max.unwrap_or(match options.keys {
            Keys::None => 1,
            _ => REQUEST_BATCHES_KEYED_MAX.min(partitions),
        });
        let mut keys_of = vec![Vec::new(); if keys.is_empty() { 0 } else { partitions }];
        keys.into_iter().zip(&key_partitions).for_each(|(key, &partition)| keys_of[partition].push(key));
        let mut producers = Vec::new();
        if options.has_producers() {
            for number in 0..options.producers {
                let used =
                    (0..partitions).filter(|&partition| keys_of.get(partition).is_none_or(|keys| !keys.is_empty()));
                let seed = mix(run.wrapping_add(number as u64));
                let maker = maker(options, &keys_of, request_batches_max, seed);
                let sequences = if options.idempotent { Some(cluster.sequences()?) } else { None };
                producers.push((links(cluster, used.map(|partition| (partition, partition)))?, maker, sequences));
            }
        }
        let mut consumers = Vec::new();
        if options.has_consumers() {
            for (reader, share) in positions(options, cluster)? {
                let share = share.into_iter().map(|position| (position.partition, position));
                consumers.push((reader, links(cluster, share)?));
            }
        }
        Ok(Preparation { producers, consumers, key_partitions, request_batches_max, run })
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
                drain_ns: options.drain.as_nanos() as u64,
                following_readers: if options.mode == Mode::EndToEnd { options.readers() as u64 } else { 0 },
            })
            .collect();
        let run = options.has_stamps().then_some(self.run);
        let partitions = cluster.leaders.len();
        if !self.producers.is_empty() {
            let plan = Arc::new(produce_plan(options, cluster, window, self.request_batches_max, run)?);
            let pace = pace(options, window.start_ns - start_ns);
            for (number, (links, maker, sequences)) in self.producers.into_iter().enumerate() {
                let load = match &pace {
                    None => Load::Unbounded,
                    Some(pace) => {
                        let (producer, producers) = (number as u64, options.producers as u64);
                        let pace = Arc::clone(pace);
                        let schedule = Schedule { start_ns, end_ns: window.end_ns, pace, producer, producers };
                        let batch_records = |partition| maker.batch_records(partition, 0);
                        Load::scheduled(schedule, &self.key_partitions, partitions, batch_records, plan.linger_ns)
                    }
                };
                let parts = ProducerParts {
                    plan: Arc::clone(&plan),
                    progress: Arc::clone(progress),
                    number: number as u64,
                    load,
                    maker,
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
            for (number, (reader, links)) in self.consumers.into_iter().enumerate() {
                let arrivals = match options.mode {
                    Mode::EndToEnd => Some(Arrivals::of_run(self.run)),
                    _ => options.verify.then(Arrivals::of_all),
                };
                let consumer = Consumer::new(Arc::clone(&plan), Arc::clone(progress), links, arrivals, reader);
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
        timed: options.mode == Mode::EndToEnd,
        window,
        records_max: match options.until {
            Until::Messages(count) => Some(count),
            Until::Duration | Until::End => None,
        },
    })
}

/// The rate over time, since the start of the run; none is rate max.
fn pace(options: &Options, warm_up_ns: u64) -> Option<Arc<Pace>> {
    let Rate::PerSecond(records_per_second) = options.rate else { return None };
    let changes = options.rate_steps.iter().map(|(at, rate)| (warm_up_ns + at.as_nanos() as u64, *rate));
    Some(Arc::new(Pace::new(records_per_second, &changes.collect::<Vec<_>>())))
}

/// Templates where all records are alike, which costs the generator least.
fn maker(options: &Options, keys_of: &[Vec<Vec<u8>>], request_batches_max: usize, seed: u64) -> Maker {
    let Options { sizes, compression, batch_bytes, random_share, .. } = options.clone();
    let value_bytes = match (&sizes, compression) {
        (Sizes::Fixed(bytes), Compression::None) => *bytes,
        _ => {
            let recipe = Recipe { sizes, compression, batch_bytes, random_share };
            let composer = Box::new(Composer::new(&recipe, keys_of.to_vec(), seed));
            return Maker::Composer { composer, made: Vec::new() };
        }
    };
    let template = |keys: &[Vec<u8>], number: usize| {
        Template::new(value_bytes, batch_bytes, keys, mix(seed.wrapping_add(number as u64)))
    };
    let by_partition = !keys_of.is_empty();
    let templates = match by_partition {
        true => keys_of.iter().enumerate().map(|(partition, keys)| template(keys, partition)).collect(),
        false => (0..request_batches_max).map(|number| template(&[], number)).collect(),
    };
    let key_bytes = keys_of.iter().flatten().next().map_or(0, Vec::len);
    Maker::Templates { templates, by_partition, payload_bytes: (value_bytes + key_bytes) as u64 }
}

/// Shares the partitions out to the consumers, each with its start and its end; or gives all of them to everybody. With
/// the reader that each consumer belongs to.
fn positions(options: &Options, cluster: &Cluster) -> Result<Vec<(usize, Vec<Position>)>, Failure> {
    let from = if options.mode == Mode::EndToEnd { From::Latest } else { options.from };
    let starts = cluster.offsets(&options.topic, from)?;
    let ends = match options.until {
        Until::End => cluster.offsets(&options.topic, From::Latest)?,
        Until::Duration | Until::Messages(_) => vec![i64::MAX; starts.len()],
    };
    let all = starts.iter().zip(&ends).enumerate();
    let all: Vec<Position> = all.map(|(partition, (&offset, &end))| Position { partition, offset, end }).collect();
    let share = |consumer: usize| -> (usize, Vec<Position>) {
        match options.fan_out {
            true => (consumer, all.clone()),
            false => (0, all.iter().skip(consumer).step_by(options.consumers).copied().collect()),
        }
    };
    let mut shares: Vec<_> = (0..options.consumers).map(share).collect();
    shares.retain(|(_, share)| !share.is_empty());
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
