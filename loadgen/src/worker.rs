//! SHELL: one thread of the generator: an epoll loop over its producers and consumers.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::clock::{SECOND_NS, now_ns, pause, thread_cpu_ns};
use crate::consumer::Consumer;
use crate::poller::{Poller, Ready};
use crate::producer::Producer;
use crate::progress::Progress;
use crate::tally::{Tally, Window};

/// How long what is in flight at the end may take to be answered and consumed.
const DRAIN_NS: u64 = 10 * SECOND_NS;
/// How often running totals are handed over, and ends are looked for.
const PUBLISH_NS: u64 = 100_000_000;

/// A thread's share of a run.
pub(crate) struct Worker {
    pub(crate) producers: Vec<Producer>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) progress: Arc<Progress>,
    /// Nothing happens before this.
    pub(crate) start_ns: u64,
    pub(crate) window: Window,
    /// Whether consumers go on until they have all that the producers sent.
    pub(crate) follows_producers: bool,
}

/// Whose connection became ready.
#[derive(Clone, Copy)]
struct Owner {
    is_producer: bool,
    place: usize,
    link: usize,
}

impl Worker {
    /// Works until the run is over; the thread ends with it.
    pub(crate) fn run(mut self) -> std::io::Result<Tally> {
        let mut poller = Poller::new()?;
        let owners = self.register(&poller)?;
        let mut tally = Tally::new();
        let mut ready: Vec<Ready> = Vec::new();
        let mut cpu_at_start_ns = None;
        let mut producing = !self.producers.is_empty();
        pause(Duration::from_nanos(self.start_ns.saturating_sub(now_ns())));
        let mut publish_at_ns = self.start_ns + PUBLISH_NS;
        loop {
            let mut wake_ns = publish_at_ns;
            for producer in &mut self.producers {
                wake_ns = wake_ns.min(producer.drive(&mut tally));
            }
            for consumer in &mut self.consumers {
                wake_ns = wake_ns.min(consumer.drive(&mut tally));
            }
            let now = now_ns();
            if cpu_at_start_ns.is_none() && now >= self.window.start_ns {
                cpu_at_start_ns = Some(thread_cpu_ns());
            }
            let expired = now >= self.window.end_ns.saturating_add(DRAIN_NS);
            if producing && (expired || self.producers.iter().all(|producer| producer.is_done(now))) {
                producing = false;
                self.progress.producing_workers.fetch_sub(1, Relaxed);
            }
            let stopped = self.progress.stop.load(Relaxed);
            if stopped || (!producing && self.consumers_are_done(now, expired)) {
                break;
            }
            if now >= publish_at_ns {
                publish_at_ns = now + PUBLISH_NS;
                self.publish();
            }
            poller.wait(wake_ns, &mut ready)?;
            for event in ready.drain(..) {
                self.on_ready(owners[event.token as usize], event, &mut tally);
            }
        }
        self.publish();
        // What an early stop leaves undone is nobody's fault.
        if !self.progress.stop.load(Relaxed) {
            self.producers.iter_mut().for_each(|producer| producer.count_unanswered(&mut tally));
        }
        tally.cpu_ns = thread_cpu_ns() - cpu_at_start_ns.unwrap_or(0);
        Ok(tally)
    }

    fn register(&self, poller: &Poller) -> std::io::Result<Vec<Owner>> {
        let mut owners = Vec::new();
        let mut add = |connection: &crate::connection::Connection, owner| {
            owners.push(owner);
            poller.add(connection.stream(), owners.len() as u64 - 1)
        };
        for (place, producer) in self.producers.iter().enumerate() {
            for (link, connection) in producer.connections().enumerate() {
                add(connection, Owner { is_producer: true, place, link })?;
            }
        }
        for (place, consumer) in self.consumers.iter().enumerate() {
            for (link, connection) in consumer.connections().enumerate() {
                add(connection, Owner { is_producer: false, place, link })?;
            }
        }
        Ok(owners)
    }

    fn on_ready(&mut self, owner: Owner, event: Ready, tally: &mut Tally) {
        let Owner { is_producer, place, link } = owner;
        if is_producer {
            self.producers[place].on_ready(link, event.readable, tally);
        } else {
            self.consumers[place].on_ready(link, event.readable, tally);
        }
    }

    fn consumers_are_done(&self, now_ns: u64, expired: bool) -> bool {
        if self.consumers.is_empty() || expired {
            return true;
        }
        if self.follows_producers {
            let arrived = self.progress.arrived_records.load(Relaxed);
            return self.progress.producing_workers.load(Relaxed) == 0
                && arrived >= self.progress.acked_records.load(Relaxed);
        }
        now_ns >= self.window.end_ns || self.consumers.iter().all(Consumer::is_done)
    }

    fn publish(&mut self) {
        for producer in &mut self.producers {
            producer.publish();
        }
        for consumer in &mut self.consumers {
            consumer.publish();
        }
    }
}
