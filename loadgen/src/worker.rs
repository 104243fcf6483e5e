//! SHELL: one thread of the generator: an epoll loop over its producers and consumers.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::clock::{SECOND_NS, now_ns, pause, thread_cpu_ns};
use crate::connection::Connection;
use crate::consumer::Consumer;
use crate::poller::{Poller, Ready};
use crate::producer::Producer;
use crate::progress::Progress;
use crate::tally::{Tally, Window};
use crate::wakes::Wakes;

/// After this long without an arrival there will be no more.
const QUIET_NS: u64 = SECOND_NS;
/// How often latencies are handed over, and the end is looked for.
const TICK_NS: u64 = 50_000_000;

/// A thread's share of a run.
pub(crate) struct Worker {
    pub(crate) producers: Vec<Producer>,
    pub(crate) consumers: Vec<Consumer>,
    pub(crate) progress: Arc<Progress>,
    /// Nothing happens before this.
    pub(crate) start_ns: u64,
    pub(crate) window: Window,
    /// How long what is in flight at the end may take to be answered and consumed.
    pub(crate) drain_ns: u64,
    /// So many readers go on until each of them has all that the producers sent; 0 goes by the time instead.
    pub(crate) following_readers: u64,
}

/// Whose connection became ready. Producers are numbered before consumers.
#[derive(Clone, Copy)]
struct Owner {
    actor: usize,
    link: usize,
}

impl Worker {
    /// Works until the run is over; the thread ends with it.
    pub(crate) fn run(mut self) -> std::io::Result<Tally> {
        let mut poller = Poller::new()?;
        let owners = self.register(&poller)?;
        let mut tally = Tally::new();
        let mut ready: Vec<Ready> = Vec::new();
        let actors = self.producers.len() + self.consumers.len();
        let mut wakes = Wakes::new(actors);
        // Those that have something to do: at first all, later whoever heard from the broker or whose time has come.
        let mut stirred: Vec<usize> = (0..actors).collect();
        let mut cpu_at_start_ns = None;
        pause(Duration::from_nanos(self.start_ns.saturating_sub(now_ns())));
        let mut tick_at_ns = self.start_ns + TICK_NS;
        let mut producing = !self.producers.is_empty();
        let (mut seen_arrived, mut arrived_at_ns) = (0, self.start_ns);
        loop {
            for actor in stirred.drain(..) {
                wakes.set(actor, self.drive(actor, &mut tally));
            }
            let now = now_ns();
            if cpu_at_start_ns.is_none() && now >= self.window.start_ns {
                cpu_at_start_ns = Some(thread_cpu_ns());
            }
            let stopped = self.progress.stop.load(Relaxed);
            if now >= tick_at_ns || stopped {
                tick_at_ns = now + TICK_NS;
                self.progress.publish(&mut tally.latencies);
                producing = producing && !self.producers_are_done(now);
            }
            let arrived = self.progress.arrived_records.load(Relaxed);
            if arrived != seen_arrived {
                (seen_arrived, arrived_at_ns) = (arrived, now);
            }
            if stopped || (!producing && self.consumers_are_done(now, now - arrived_at_ns)) {
                break;
            }
            poller.wait(wakes.next_ns().min(tick_at_ns), &mut ready)?;
            for event in ready.drain(..) {
                let owner = owners[event.token as usize];
                self.on_ready(owner, event, &mut tally);
                stirred.push(owner.actor);
            }
            let now = now_ns();
            stirred.extend(std::iter::from_fn(|| wakes.pop_due(now)));
        }
        // What an early stop leaves undone is nobody's fault.
        if !self.progress.stop.load(Relaxed) {
            self.producers.iter_mut().for_each(|producer| producer.count_unanswered(&mut tally));
        }
        self.consumers.iter().for_each(|consumer| consumer.count_arrivals(&mut tally));
        self.progress.publish(&mut tally.latencies);
        tally.cpu_ns = thread_cpu_ns() - cpu_at_start_ns.unwrap_or(0);
        Ok(tally)
    }

    fn register(&self, poller: &Poller) -> std::io::Result<Vec<Owner>> {
        let mut owners = Vec::new();
        let mut add = |connection: &Connection, actor, link| {
            owners.push(Owner { actor, link });
            poller.add(connection.stream(), owners.len() as u64 - 1)
        };
        for (actor, producer) in self.producers.iter().enumerate() {
            for (link, connection) in producer.connections().enumerate() {
                add(connection, actor, link)?;
            }
        }
        for (place, consumer) in self.consumers.iter().enumerate() {
            for (link, connection) in consumer.connections().enumerate() {
                add(connection, self.producers.len() + place, link)?;
            }
        }
        Ok(owners)
    }

    /// Lets a producer or consumer send; gives the time at which it can send more.
    fn drive(&mut self, actor: usize, tally: &mut Tally) -> u64 {
        match actor.checked_sub(self.producers.len()) {
            None => self.producers[actor].drive(tally),
            Some(place) => self.consumers[place].drive(tally),
        }
    }

    fn on_ready(&mut self, owner: Owner, event: Ready, tally: &mut Tally) {
        let Owner { actor, link } = owner;
        match actor.checked_sub(self.producers.len()) {
            None => self.producers[actor].on_ready(link, event.readable, tally),
            Some(place) => self.consumers[place].on_ready(link, event.readable, tally),
        }
    }

    fn is_expired(&self, now_ns: u64) -> bool {
        now_ns >= self.window.end_ns.saturating_add(self.drain_ns)
    }

    /// Whether all producers have come to their end; the others are told when it is so.
    fn producers_are_done(&self, now_ns: u64) -> bool {
        let done = self.is_expired(now_ns) || self.producers.iter().all(|producer| producer.is_done(now_ns));
        if done {
            self.progress.producing_workers.fetch_sub(1, Relaxed);
        }
        done
    }

    /// `quiet_ns` is how long nothing has arrived anywhere.
    fn consumers_are_done(&self, now_ns: u64, quiet_ns: u64) -> bool {
        if self.consumers.is_empty() || self.is_expired(now_ns) {
            return true;
        }
        if self.following_readers > 0 {
            let expected = self.progress.acked_records.load(Relaxed) * self.following_readers;
            // A record may arrive although it was refused; then the count alone does not say that all are there.
            let settled = self.progress.errors.load(Relaxed) == 0 || quiet_ns > QUIET_NS;
            return self.progress.producing_workers.load(Relaxed) == 0
                && self.progress.arrived_records.load(Relaxed) >= expected
                && settled;
        }
        now_ns >= self.window.end_ns || self.consumers.iter().all(Consumer::is_done)
    }
}
