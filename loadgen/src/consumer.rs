//! One consumer: fetches its partitions from their leaders, one request at a time per connection, and walks the
//! headers of the batches that come. Records are opened only where they carry stamps.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use batch::{Batches, DecompressLimit};
use wire::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use wire::{ApiKey, Reader, Records, Uuid};

use crate::arrival::{Arrival, Arrivals};
use crate::clock::now_ns;
use crate::connection::Connection;
use crate::payload::Mark;
use crate::progress::Progress;
use crate::tally::{Tally, Window};

/// How long a connection rests after an answer with an error, so that a broker in trouble is not flooded.
const ERROR_PAUSE_NS: u64 = 100_000_000;
/// The records of one batch; the producers' own limit is lower.
const RECORDS_BYTES_MAX: DecompressLimit = DecompressLimit(256 << 20);

/// What all consumers of a run do alike.
#[derive(Clone, Debug)]
pub(crate) struct ConsumePlan {
    pub(crate) topic: String,
    pub(crate) topic_id: Uuid,
    pub(crate) version: i16,
    pub(crate) wait_ms: i32,
    pub(crate) bytes_min: i32,
    pub(crate) bytes_max: i32,
    pub(crate) partition_bytes_max: i32,
    pub(crate) verify: bool,
    /// The producers of the records are part of this run.
    pub(crate) timed: bool,
    pub(crate) window: Window,
    /// Stop once all consumers together have this many records.
    pub(crate) records_max: Option<u64>,
}

/// Where a consumer stands in a partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub(crate) partition: usize,
    pub(crate) offset: i64,
    /// Where to stop, if anywhere.
    pub(crate) end: i64,
}

impl Position {
    fn is_done(&self) -> bool {
        self.offset >= self.end
    }
}

struct Link {
    connection: Connection,
    positions: Vec<Position>,
    correlation_id: Option<i32>,
    /// No request before this.
    pause_until_ns: u64,
    /// Which partition is asked for first, so that none starves behind a size limit.
    turn: usize,
    lost: bool,
}

/// One consumer.
pub(crate) struct Consumer {
    plan: Arc<ConsumePlan>,
    progress: Arc<Progress>,
    links: Vec<Link>,
    arrivals: Option<Arrivals>,
    /// Consumers that share the partitions are one reader.
    reader: usize,
}

/// What one fetch answer held.
#[derive(Default)]
struct Haul {
    records: u64,
    batch_bytes: u64,
    /// Records of this run.
    arrived: u64,
    failed: bool,
}

impl Consumer {
    /// `arrivals` opens the records and follows their stamps.
    pub(crate) fn new(
        plan: Arc<ConsumePlan>,
        progress: Arc<Progress>,
        links: Vec<(Connection, Vec<Position>)>,
        arrivals: Option<Arrivals>,
        reader: usize,
    ) -> Self {
        let links = links.into_iter().map(|(connection, positions)| Link {
            connection,
            positions,
            correlation_id: None,
            pause_until_ns: 0,
            turn: 0,
            lost: false,
        });
        Consumer { plan, progress, links: links.collect(), arrivals, reader }
    }

    pub(crate) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.links.iter().map(|link| &link.connection)
    }

    /// Asks for more on every connection that is idle; gives the time at which one that pauses goes on.
    pub(crate) fn drive(&mut self, tally: &mut Tally) -> u64 {
        let mut wake_ns = u64::MAX;
        for link in &mut self.links {
            if link.lost || link.correlation_id.is_some() || link.positions.iter().all(Position::is_done) {
                continue;
            }
            if link.pause_until_ns > now_ns() {
                wake_ns = wake_ns.min(link.pause_until_ns);
                continue;
            }
            fetch(link, &self.plan);
            if let Err(error) = link.connection.flush() {
                lose(link, &error.to_string(), tally);
            }
        }
        wake_ns
    }

    /// Whether everything it was to read has been read, or cannot be.
    pub(crate) fn is_done(&self) -> bool {
        let enough = self.plan.records_max;
        let have_enough = enough.is_some_and(|enough| self.progress.consumed_records.load(Relaxed) >= enough);
        have_enough || self.links.iter().all(|link| link.lost || link.positions.iter().all(Position::is_done))
    }

    /// Adds what has arrived to the counts, once all has.
    pub(crate) fn count_arrivals(&self, tally: &mut Tally) {
        let Some(arrivals) = &self.arrivals else { return };
        match self.plan.timed {
            true => tally.delivery.add_arrivals(self.reader, arrivals),
            false => tally.records_gaps += arrivals.gaps(),
        }
    }

    /// Reacts to a connection that has become readable or writable.
    pub(crate) fn on_ready(&mut self, link: usize, readable: bool, tally: &mut Tally) {
        if self.links[link].lost {
            return;
        }
        let flushed = self.links[link].connection.flush().map_err(|error| error.to_string());
        let outcome = flushed.and_then(|()| if readable { self.receive(link, tally) } else { Ok(()) });
        if let Err(reason) = outcome {
            lose(&mut self.links[link], &reason, tally);
        }
    }

    fn receive(&mut self, link: usize, tally: &mut Tally) -> Result<(), String> {
        loop {
            let more = self.links[link].connection.receive().map_err(|error| error.to_string())?;
            while let Some(frame) = self.links[link].connection.next_frame().map_err(|error| error.to_string())? {
                self.on_answer(link, frame, tally)?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    fn on_answer(&mut self, link: usize, frame: std::ops::Range<usize>, tally: &mut Tally) -> Result<(), String> {
        let now_ns = now_ns();
        let Consumer { plan, arrivals, .. } = self;
        let Link { connection, positions, correlation_id, pause_until_ns, .. } = &mut self.links[link];
        let frame_bytes = frame.len() as u64;
        let mut reader = Reader::new(&connection.input()[frame]);
        let answered = wire::decode_response_header(ApiKey::Fetch, plan.version, &mut reader)
            .map_err(|error| error.to_string())?;
        if correlation_id.take() != Some(answered) {
            return Err(format!("answer {answered} came unasked"));
        }
        let answer = FetchResponse::decode(plan.version, &mut reader).map_err(|error| error.to_string())?;
        let mut haul = Haul::default();
        if answer.error_code.is_error() {
            tally.error(answer.error_code.name(), 1);
            haul.failed = true;
        }
        for partition in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            if partition.error_code.is_error() {
                tally.error(partition.error_code.name(), 1);
                haul.failed = true;
                continue;
            }
            let Records::Bytes(bytes) = partition.records else { continue };
            let index = partition.partition_index as usize;
            let Some(position) = positions.iter_mut().find(|position| position.partition == index) else { continue };
            let mut opened =
                Opened { now_ns, timed: plan.timed, window: plan.window, arrivals: arrivals.as_mut(), tally };
            let arrived_before = opened.tally.records_arrived;
            walk(bytes, position, plan, &mut opened, &mut haul)?;
            haul.arrived += opened.tally.records_arrived - arrived_before;
        }
        if haul.failed {
            *pause_until_ns = now_ns + ERROR_PAUSE_NS;
            self.progress.errors.fetch_add(1, Relaxed);
        }
        self.account(&haul, frame_bytes, now_ns, tally);
        Ok(())
    }

    fn account(&self, haul: &Haul, frame_bytes: u64, now_ns: u64, tally: &mut Tally) {
        self.progress.consumed_records.fetch_add(haul.records, Relaxed);
        self.progress.consumed_bytes.fetch_add(haul.batch_bytes, Relaxed);
        self.progress.arrived_records.fetch_add(haul.arrived, Relaxed);
        tally.requests += 1;
        if haul.records > 0 {
            tally.consumed_last_ns = now_ns;
        }
        if self.plan.window.contains(now_ns) {
            tally.consumed.records += haul.records;
            tally.consumed.batch_bytes += haul.batch_bytes;
            tally.consumed.requests += 1;
            tally.consumed.request_bytes += frame_bytes;
        }
    }
}

/// What opening records needs.
struct Opened<'a> {
    now_ns: u64,
    /// Whether the records are of this run, so that their times say something.
    timed: bool,
    window: Window,
    arrivals: Option<&'a mut Arrivals>,
    tally: &'a mut Tally,
}

/// Walks the batches of one partition and moves its position behind them.
fn walk(
    bytes: &[u8],
    position: &mut Position,
    plan: &ConsumePlan,
    opened: &mut Opened<'_>,
    haul: &mut Haul,
) -> Result<(), String> {
    let mut batches = Batches::new(bytes);
    let start = position.offset;
    for view in batches.by_ref() {
        let view = view.map_err(|error| format!("partition {} sent a bad batch: {error}", position.partition))?;
        let info = &view.info;
        let next = info.next_offset().0;
        if next <= position.offset {
            continue;
        }
        if plan.verify
            && let Err(error) = batch::verify_crc(view.bytes)
        {
            return Err(format!("partition {} offset {}: {error}", position.partition, info.base_offset));
        }
        // A fetch inside a batch gives the whole batch; records before the position have been counted already.
        let skipped = (position.offset - info.base_offset.0).max(0);
        haul.records += (i64::from(info.record_count) - skipped).max(0) as u64;
        haul.batch_bytes += view.bytes.len() as u64;
        if opened.arrivals.is_some() {
            open(&view, position, opened)?;
        }
        position.offset = next;
    }
    // A first batch that is cut off will be cut off again: the broker ignores KIP-74.
    if position.offset == start && !batches.rest().is_empty() {
        return Err(format!("partition {} sends no whole batch", position.partition));
    }
    Ok(())
}

/// Follows the stamps of a batch's records.
fn open(view: &batch::BatchView<'_>, position: &Position, opened: &mut Opened<'_>) -> Result<(), String> {
    let Some(arrivals) = opened.arrivals.as_deref_mut() else { return Ok(()) };
    let records = view.records(RECORDS_BYTES_MAX).map_err(|error| error.to_string())?;
    for record in &records {
        let record = record.map_err(|error| error.to_string())?;
        if record.offset.0 < position.offset {
            continue;
        }
        let mark = record.value.map_or(Mark::None, Mark::read);
        let arrival = arrivals.on_record(position.partition, mark);
        opened.tally.records_overtaken += u64::from(arrival == Arrival::Overtaken);
        match (arrival, mark) {
            (Arrival::Foreign, _) => {}
            (Arrival::Corrupt, _) => opened.tally.records_corrupt += 1,
            (Arrival::Repeated, _) => opened.tally.records_repeated += 1,
            // The clock of another run is not ours.
            (_, Mark::Sound(stamp)) if opened.timed => {
                let latency_ns = opened.now_ns.saturating_sub(stamp.due_ns);
                opened.tally.records_arrived += 1;
                let latencies = &mut opened.tally.latencies;
                let counted = opened.window.contains(stamp.due_ns);
                let latencies = if counted { &mut latencies.arrival } else { &mut latencies.outside };
                latencies.saturating_record(latency_ns);
            }
            _ => opened.tally.records_arrived += 1,
        }
    }
    Ok(())
}

fn fetch(link: &mut Link, plan: &ConsumePlan) {
    let count = link.positions.len();
    link.turn = (link.turn + 1) % count;
    let (behind, ahead) = link.positions.split_at(link.turn);
    let partitions = ahead.iter().chain(behind).filter(|position| !position.is_done()).map(|position| FetchPartition {
        partition: position.partition as i32,
        fetch_offset: position.offset,
        partition_max_bytes: plan.partition_bytes_max,
        ..FetchPartition::default()
    });
    let topics = vec![FetchTopic { topic: &plan.topic, topic_id: plan.topic_id, partitions: partitions.collect() }];
    let request = FetchRequest {
        max_wait_ms: plan.wait_ms,
        min_bytes: plan.bytes_min,
        max_bytes: plan.bytes_max,
        topics,
        ..FetchRequest::default()
    };
    let (correlation_id, _) =
        link.connection.request(ApiKey::Fetch, plan.version, |out| request.encode(plan.version, out));
    link.correlation_id = Some(correlation_id);
}

fn lose(link: &mut Link, reason: &str, tally: &mut Tally) {
    link.lost = true;
    tally.error(&format!("connection lost ({reason})"), 1);
}
