//! One producer: takes what its schedule has due, makes requests of it, and accounts for the answers.
//!
//! It has a connection to every node that leads a partition of the topic, as Kafka's clients do. A connection takes
//! another request while fewer than the cap are unanswered and the kernel has taken the last one; until then the
//! schedule runs on and the records that fall due wait, with their latency running.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use wire::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use wire::{ApiKey, ErrorCode, Reader};

use crate::arrival;
use crate::clock::now_ns;
use crate::composer::Order;
use crate::connection::Connection;
use crate::load::{KeyedLane, Load, Sent};
use crate::maker::Maker;
use crate::payload::Stamp;
use crate::progress::Progress;
use crate::sequences::Sequences;
use crate::tally::{Tally, Window};

/// What all producers of a run do alike.
#[derive(Clone, Debug)]
pub(crate) struct ProducePlan {
    pub(crate) topic: String,
    pub(crate) version: i16,
    pub(crate) acks: i16,
    pub(crate) linger_ns: u64,
    pub(crate) in_flight_max: usize,
    pub(crate) request_batches_max: usize,
    /// Whether records carry stamps, and the run's mark on them.
    pub(crate) run: Option<u64>,
    pub(crate) window: Window,
    pub(crate) wall_offset_ns: i64,
}

struct InFlight {
    correlation_id: i32,
    sent_ns: u64,
    request_bytes: u64,
    batches: usize,
}

struct Link {
    connection: Connection,
    /// The partitions whose leader is at the other end.
    partitions: Vec<usize>,
    in_flight: VecDeque<InFlight>,
    /// The batches of all requests in flight, in order.
    sent: VecDeque<Sent>,
    /// Since when another request could be taken.
    room_since_ns: u64,
    lost: bool,
}

impl Link {
    fn has_room(&self, plan: &ProducePlan) -> bool {
        !self.lost && self.in_flight.len() < plan.in_flight_max && self.connection.is_flushed()
    }
}

/// One producer.
pub(crate) struct Producer {
    plan: Arc<ProducePlan>,
    progress: Arc<Progress>,
    number: u64,
    load: Load,
    maker: Maker,
    links: Vec<Link>,
    /// The connection to each partition's leader.
    link_of: Vec<usize>,
    /// Whose turn it is: a partition, or a lane.
    turn: usize,
    /// The number of the next record in each partition.
    numbers: Vec<u64>,
    /// The numbers of its batches, if it is idempotent.
    sequences: Option<Sequences>,
    /// Room for the batches of the request that is being made.
    drafts: Vec<Sent>,
}

/// What a producer is made of.
pub(crate) struct ProducerParts {
    pub(crate) plan: Arc<ProducePlan>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) number: u64,
    pub(crate) load: Load,
    pub(crate) maker: Maker,
    /// Connections with the partitions that are led behind them.
    pub(crate) links: Vec<(Connection, Vec<usize>)>,
    pub(crate) partitions: usize,
    /// The partition that is served first.
    pub(crate) turn: usize,
    /// The numbers of its batches, if it is idempotent.
    pub(crate) sequences: Option<Sequences>,
}

impl Producer {
    pub(crate) fn new(parts: ProducerParts) -> Self {
        let mut link_of = vec![0; parts.partitions];
        for (link, (_, partitions)) in parts.links.iter().enumerate() {
            for &partition in partitions {
                link_of[partition] = link;
            }
        }
        let links = parts.links.into_iter().map(|(connection, partitions)| Link {
            connection,
            partitions,
            in_flight: VecDeque::new(),
            sent: VecDeque::new(),
            room_since_ns: 0,
            lost: false,
        });
        Producer {
            plan: parts.plan,
            progress: parts.progress,
            number: parts.number,
            load: parts.load,
            maker: parts.maker,
            links: links.collect(),
            link_of,
            turn: parts.turn,
            numbers: vec![0; parts.partitions],
            sequences: parts.sequences,
            drafts: Vec::new(),
        }
    }

    pub(crate) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.links.iter().map(|link| &link.connection)
    }

    /// Sends what can be sent; gives the time at which there will be more to send.
    pub(crate) fn drive(&mut self, tally: &mut Tally) -> u64 {
        match self.load {
            Load::Unbounded => self.drive_unbounded(tally),
            Load::InTurn(_) => self.drive_in_turn(tally),
            Load::Keyed(_) => self.drive_keyed(tally),
        }
    }

    /// Whether nothing is left to send or to be answered. A backlog that can no longer be sent, because every
    /// connection is lost, is not waited for.
    pub(crate) fn is_done(&self, now_ns: u64) -> bool {
        let idle =
            self.links.iter().all(|link| link.lost || (link.in_flight.is_empty() && link.connection.is_flushed()));
        let nothing_due = match &self.load {
            Load::Unbounded => now_ns >= self.plan.window.end_ns,
            Load::InTurn(lane) => lane.ready_ns(1, 0).is_none(),
            Load::Keyed(lanes) => lanes.iter().all(|lane| lane.ready_ns.is_none()),
        };
        idle && (nothing_due || self.links.iter().all(|link| link.lost))
    }

    /// Counts what was due and never left, and what left and was never answered.
    pub(crate) fn count_unanswered(&mut self, tally: &mut Tally) {
        for link in &mut self.links {
            let records: u64 = link.sent.drain(..).map(|batch| batch.records).sum();
            if records > 0 {
                tally.error("no answer", records);
            }
        }
        let end_ns = self.plan.window.end_ns;
        let unsent: u64 = match &self.load {
            Load::Unbounded => 0,
            Load::InTurn(lane) => lane.pending(end_ns),
            Load::Keyed(lanes) => lanes.iter().map(|lane| lane.lane.pending(end_ns)).sum(),
        };
        if unsent > 0 {
            tally.error("due but not sent in time", unsent);
        }
    }

    fn drive_unbounded(&mut self, tally: &mut Tally) -> u64 {
        for link in 0..self.links.len() {
            while self.links[link].has_room(&self.plan) {
                if now_ns() >= self.plan.window.end_ns {
                    return u64::MAX;
                }
                let batches = self.plan.request_batches_max.min(self.links[link].partitions.len());
                self.drafts.clear();
                for _ in 0..batches {
                    let partitions = &self.links[link].partitions;
                    let partition = partitions[self.turn % partitions.len()];
                    self.turn = self.turn.wrapping_add(1);
                    let first = self.numbers[partition];
                    let most = self.maker.batch_records(partition, self.drafts.len());
                    let records = self.maker.fitting(partition, first, most);
                    self.drafts.push(Sent::draft(partition, 0, first, records));
                }
                self.send(link, 0, tally);
            }
        }
        u64::MAX
    }

    fn drive_in_turn(&mut self, tally: &mut Tally) -> u64 {
        loop {
            let Load::InTurn(lane) = &self.load else { unreachable!("checked by the caller") };
            let now_ns = now_ns();
            match lane.ready_ns(self.maker.batch_records(0, 0), self.plan.linger_ns) {
                None => return u64::MAX,
                Some(ready_ns) if ready_ns > now_ns => return ready_ns,
                Some(ready_ns) => {
                    let Some(partition) = self.partition_with_room() else { return u64::MAX };
                    self.draft_in_turn(partition, now_ns);
                    self.send(self.link_of[partition], ready_ns, tally);
                }
            }
        }
    }

    /// Drafts a batch for a partition, and more for those behind the same connection as long as a backlog fills them:
    /// records that may still linger are left.
    fn draft_in_turn(&mut self, first_partition: usize, now_ns: u64) {
        let Load::InTurn(lane) = &mut self.load else { unreachable!("checked by the caller") };
        let partitions = &self.links[self.link_of[first_partition]].partitions;
        let batch_records = self.maker.batch_records(0, 0);
        let batches_max = self.plan.request_batches_max.min(partitions.len());
        let start = partitions.binary_search(&first_partition).expect("the connection leads to its leader");
        self.drafts.clear();
        while self.drafts.is_empty() || (self.drafts.len() < batches_max && lane.pending(now_ns) >= batch_records) {
            let partition = partitions[(start + self.drafts.len()) % partitions.len()];
            let most = lane.pending(now_ns).min(batch_records);
            let taken = lane.take(now_ns, self.maker.fitting(partition, lane.next(), most));
            self.drafts.push(Sent::draft(partition, 0, taken.start, taken.end - taken.start));
        }
        self.turn = first_partition + self.drafts.len();
    }

    fn drive_keyed(&mut self, tally: &mut Tally) -> u64 {
        let mut wake_ns = u64::MAX;
        for link in 0..self.links.len() {
            while self.links[link].has_room(&self.plan) {
                let (oldest_ns, next_ns) = self.draft_keyed(link);
                if self.drafts.is_empty() {
                    wake_ns = wake_ns.min(next_ns);
                    break;
                }
                self.send(link, oldest_ns, tally);
            }
        }
        wake_ns
    }

    /// Drafts the batches of all lanes of a connection that are ready, as many as a request may have; gives when the
    /// first of them was ready, and when the next of the others will be.
    fn draft_keyed(&mut self, link: usize) -> (u64, u64) {
        self.drafts.clear();
        let Load::Keyed(lanes) = &mut self.load else { unreachable!("checked by the caller") };
        let (now_ns, count) = (now_ns(), lanes.len());
        let (mut oldest_ns, mut next_ns) = (u64::MAX, u64::MAX);
        for step in 0..count {
            let index = (self.turn + step) % count;
            let KeyedLane { partition, lane, ready_ns: ready } = &mut lanes[index];
            let Some(ready_ns) = *ready else { continue };
            if self.link_of[*partition] != link {
                continue;
            }
            if ready_ns > now_ns {
                next_ns = next_ns.min(ready_ns);
                continue;
            }
            if self.drafts.len() == self.plan.request_batches_max {
                self.turn = index;
                break;
            }
            let batch_records = self.maker.batch_records(*partition, 0);
            let most = lane.pending(now_ns).min(batch_records);
            let taken = lane.take(now_ns, self.maker.fitting(*partition, lane.next(), most));
            *ready = lane.ready_ns(batch_records, self.plan.linger_ns);
            oldest_ns = oldest_ns.min(ready_ns);
            self.drafts.push(Sent::draft(*partition, index, taken.start, taken.end - taken.start));
        }
        (oldest_ns, next_ns)
    }

    /// The next partition in turn whose connection has room.
    fn partition_with_room(&mut self) -> Option<usize> {
        let count = self.link_of.len();
        let step = (0..count).find(|step| self.links[self.link_of[(self.turn + step) % count]].has_room(&self.plan))?;
        self.turn = (self.turn + step) % count;
        Some(self.turn)
    }

    /// Makes a request of the drafts and gives it to the kernel. `ready_ns` is when it should have left.
    fn send(&mut self, link: usize, ready_ns: u64, tally: &mut Tally) {
        let sent_ns = now_ns();
        if ready_ns > 0 {
            tally.sent_late_by(sent_ns.saturating_sub(ready_ns.max(self.links[link].room_since_ns)));
        }
        let mut drafts = std::mem::take(&mut self.drafts);
        self.make_batches(&mut drafts, sent_ns);
        let partition_data = drafts.iter().enumerate().map(|(place, draft)| PartitionProduceData {
            index: draft.partition as i32,
            records: Some(self.maker.batch(draft, place)),
        });
        let partition_data = partition_data.collect();
        let plan = &self.plan;
        let request = ProduceRequest {
            transactional_id: None,
            acks: plan.acks,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData { name: &plan.topic, partition_data, ..Default::default() }],
        };
        let Link { connection, in_flight, sent, .. } = &mut self.links[link];
        let (correlation_id, bytes) =
            connection.request(ApiKey::Produce, plan.version, |out| request.encode(plan.version, out));
        tally.records_sent += drafts.iter().map(|draft| draft.records).sum::<u64>();
        in_flight.push_back(InFlight { correlation_id, sent_ns, request_bytes: bytes as u64, batches: drafts.len() });
        sent.extend(drafts.drain(..));
        self.drafts = drafts;
        self.flush(link, tally);
    }

    fn make_batches(&mut self, drafts: &mut [Sent], sent_ns: u64) {
        for (place, draft) in drafts.iter_mut().enumerate() {
            draft.number = self.numbers[draft.partition];
            self.numbers[draft.partition] += draft.records;
            let Sent { partition, first, records, number, .. } = *draft;
            let (run, producer, load, drafted) = (self.plan.run, self.number, &self.load, *draft);
            let due_ns = |index| load.due_ns(&drafted, first + index).unwrap_or(sent_ns);
            let timestamp_ms = (due_ns(0) as i64 + self.plan.wall_offset_ns) / 1_000_000;
            let sequence = self.sequences.as_mut().map(|next| next.take(partition, records));
            let order = Order { partition, first, records, timestamp_ms, sequence };
            let stamp = |index| {
                let sequence = arrival::sequence(producer, number + index);
                run.map(|run| Stamp { run, due_ns: due_ns(index), sequence })
            };
            self.maker.make(draft, place, order, stamp);
        }
    }

    fn flush(&mut self, link: usize, tally: &mut Tally) {
        if let Err(error) = self.links[link].connection.flush() {
            return self.lose(link, &error.to_string(), tally);
        }
        // Without acknowledgements a request is done once the kernel has it.
        if self.plan.acks == 0 && self.links[link].connection.is_flushed() {
            let now_ns = now_ns();
            while self.links[link].in_flight.front().is_some() {
                self.finish(link, now_ns, |_| ErrorCode::NONE, tally);
            }
        }
    }

    /// Reacts to a connection that has become readable or writable.
    pub(crate) fn on_ready(&mut self, link: usize, readable: bool, tally: &mut Tally) {
        if self.links[link].lost {
            return;
        }
        let was_flushed = self.links[link].connection.is_flushed();
        self.flush(link, tally);
        if !was_flushed && self.links[link].connection.is_flushed() {
            self.links[link].room_since_ns = now_ns();
        }
        if readable && let Err(reason) = self.receive(link, tally) {
            self.lose(link, &reason, tally);
        }
    }

    fn receive(&mut self, link: usize, tally: &mut Tally) -> Result<(), String> {
        loop {
            let more = self.links[link].connection.receive().map_err(|error| error.to_string())?;
            let now_ns = now_ns();
            while let Some(frame) = self.links[link].connection.next_frame().map_err(|error| error.to_string())? {
                self.on_answer(link, frame, now_ns, tally)?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    fn on_answer(
        &mut self,
        link: usize,
        frame: std::ops::Range<usize>,
        now_ns: u64,
        tally: &mut Tally,
    ) -> Result<(), String> {
        if self.plan.acks == 0 {
            // Some brokers answer although no answer was asked for; the request has been accounted for.
            return Ok(());
        }
        let version = self.plan.version;
        let errors: Vec<(usize, ErrorCode)> = {
            let mut reader = Reader::new(&self.links[link].connection.input()[frame]);
            let correlation_id = wire::decode_response_header(ApiKey::Produce, version, &mut reader)
                .map_err(|error| error.to_string())?;
            let expected = self.links[link].in_flight.front().map(|request| request.correlation_id);
            if expected != Some(correlation_id) {
                return Err(format!("answer {correlation_id} came where {expected:?} was due"));
            }
            let answer = ProduceResponse::decode(version, &mut reader).map_err(|error| error.to_string())?;
            let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
            partitions.map(|partition| (partition.index as usize, partition.error_code)).collect()
        };
        let error_of = |partition| {
            let found = errors.iter().find(|(index, _)| *index == partition);
            found.map_or(ErrorCode::UNKNOWN_SERVER_ERROR, |(_, error)| *error)
        };
        self.finish(link, now_ns, error_of, tally);
        Ok(())
    }

    /// Accounts for the oldest request of a connection.
    fn finish(&mut self, link: usize, now_ns: u64, error_of: impl Fn(usize) -> ErrorCode, tally: &mut Tally) {
        let Link { in_flight, sent, room_since_ns, .. } = &mut self.links[link];
        if in_flight.len() == self.plan.in_flight_max {
            *room_since_ns = now_ns;
        }
        let request = in_flight.pop_front().expect("the caller has seen one");
        let service_ns = now_ns - request.sent_ns;
        let completed_in_window = self.plan.window.contains(now_ns);
        tally.requests += 1;
        if completed_in_window {
            tally.produced.requests += 1;
            tally.produced.request_bytes += request.request_bytes;
        }
        for batch in sent.drain(..request.batches) {
            let error = error_of(batch.partition);
            if error.is_error() {
                tally.error(error.name(), batch.records);
                self.progress.errors.fetch_add(batch.records, Relaxed);
                continue;
            }
            tally.records_acked += batch.records;
            self.progress.acked_records.fetch_add(batch.records, Relaxed);
            self.progress.acked_bytes.fetch_add(batch.payload_bytes, Relaxed);
            if self.plan.run.is_some() {
                let numbers = batch.number..batch.number + batch.records;
                tally.delivery.on_acked(self.number, batch.partition, numbers);
            }
            if completed_in_window {
                tally.produced.records += batch.records;
                tally.produced.payload_bytes += batch.payload_bytes;
                tally.produced.batch_bytes += batch.batch_bytes;
            }
            if matches!(self.load, Load::Unbounded) {
                let counted = self.plan.window.contains(request.sent_ns);
                let latencies = &mut tally.latencies;
                let latencies = if counted { &mut latencies.ack } else { &mut latencies.outside };
                latencies.saturating_record_n(service_ns, batch.records);
                continue;
            }
            for index in batch.first..batch.first + batch.records {
                let due_ns = self.load.due_ns(&batch, index).expect("a scheduled record has a due time");
                if self.plan.window.contains(due_ns) {
                    tally.latencies.ack.saturating_record(now_ns - due_ns);
                    tally.latencies.service.saturating_record(service_ns);
                } else {
                    tally.latencies.outside.saturating_record(now_ns - due_ns);
                }
            }
        }
    }

    fn lose(&mut self, link: usize, reason: &str, tally: &mut Tally) {
        let link = &mut self.links[link];
        link.lost = true;
        link.in_flight.clear();
        let records: u64 = link.sent.drain(..).map(|batch| batch.records).sum();
        tally.error(&format!("connection lost ({reason})"), records.max(1));
        self.progress.errors.fetch_add(records, Relaxed);
    }
}
