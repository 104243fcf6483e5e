//! The connections of one shard as the shard sees them: how many, and which of them passed a deadline.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use engine::ring::sync::Notify;

/// What the shard wants of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Nothing out of the ordinary.
    #[default]
    Serve,
    /// Take no further request, answer those that were taken, then close.
    Finish,
    /// Close now.
    Close,
}

/// How long connections may keep the shard waiting.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without a byte, and without a request that waits.
    pub idle_max: Duration,
    /// Without taking the answers that are being sent.
    pub send_max: Duration,
}

/// One connection's line in the table, shared with its task.
pub struct Entry {
    order: Cell<Order>,
    /// The connection's task, to be woken when `order` changes.
    task: RefCell<Option<Waker>>,
    /// When bytes last arrived or left.
    pub active_at: Cell<Instant>,
    /// Requests that wait for their answers.
    pub unanswered: Cell<usize>,
    /// When the frame that is being received must be there.
    pub frame_due: Cell<Option<Instant>>,
    /// Since when the answers that are being sent have not all been taken.
    pub sending_since: Cell<Option<Instant>>,
    place: usize,
}

/// All connections of a shard.
#[derive(Default)]
pub struct Connections {
    /// What was last demanded of all, and so of those that come after.
    order: Cell<Order>,
    places: RefCell<Vec<Option<Rc<Entry>>>>,
    vacant: RefCell<Vec<usize>>,
    open: Cell<usize>,
    left: Notify,
}

impl Entry {
    pub fn order(&self) -> Order {
        self.order.get()
    }

    /// Remembers the connection's task. Called at each poll, so it costs next to nothing when the task is known.
    pub fn remember(&self, task: &Waker) {
        let mut known = self.task.borrow_mut();
        match known.as_mut() {
            Some(known) if known.will_wake(task) => {}
            _ => *known = Some(task.clone()),
        }
    }

    fn demand(&self, order: Order) {
        self.order.set(self.order.get().max(order));
        let task = self.task.borrow().clone();
        if let Some(task) = task {
            task.wake();
        }
    }

    fn is_overdue(&self, now: Instant, patience: Patience) -> bool {
        let lasts = |since: Instant, limit: Duration| now.saturating_duration_since(since) > limit;
        let idle = self.unanswered.get() == 0 && lasts(self.active_at.get(), patience.idle_max);
        let late = self.frame_due.get().is_some_and(|due| due < now);
        idle || late || self.sending_since.get().is_some_and(|since| lasts(since, patience.send_max))
    }
}

impl Connections {
    /// Connections that are open now.
    pub fn open_count(&self) -> usize {
        self.open.get()
    }

    /// Requests of all of them that wait for their answers.
    pub fn unanswered(&self) -> usize {
        self.places.borrow().iter().flatten().map(|entry| entry.unanswered.get()).sum()
    }

    /// Enters a new connection.
    pub fn enter(&self, now: Instant) -> Rc<Entry> {
        let mut places = self.places.borrow_mut();
        let place = self.vacant.borrow_mut().pop().unwrap_or(places.len());
        let entry = Rc::new(Entry {
            order: self.order.clone(),
            task: RefCell::default(),
            active_at: Cell::new(now),
            unanswered: Cell::new(0),
            frame_due: Cell::new(None),
            sending_since: Cell::new(None),
            place,
        });
        if place == places.len() {
            places.push(Some(entry.clone()));
        } else {
            places[place] = Some(entry.clone());
        }
        self.open.set(self.open.get() + 1);
        entry
    }

    /// Strikes a connection off. Its task calls this when it ends.
    pub fn leave(&self, entry: &Entry) {
        let was = self.places.borrow_mut()[entry.place].take();
        assert!(was.is_some(), "a connection leaves once");
        // The task's waker must not keep the task alive once it has ended.
        entry.task.borrow_mut().take();
        self.vacant.borrow_mut().push(entry.place);
        self.open.set(self.open.get() - 1);
        self.left.notify_waiters();
    }

    /// Tells every connection what to do, also those still to come.
    pub fn demand_of_all(&self, order: Order) {
        self.order.set(order);
        // Collected first: a woken task may leave while the table is being walked.
        let entries: Vec<Rc<Entry>> = self.places.borrow().iter().flatten().cloned().collect();
        entries.iter().for_each(|entry| entry.demand(order));
    }

    /// Closes the connections that passed a deadline; how many they are.
    pub fn close_overdue(&self, now: Instant, patience: Patience) -> usize {
        let overdue: Vec<Rc<Entry>> =
            self.places.borrow().iter().flatten().filter(|entry| entry.is_overdue(now, patience)).cloned().collect();
        overdue.iter().for_each(|entry| entry.demand(Order::Close));
        overdue.len()
    }

    /// Waits until no connection is open.
    pub async fn all_left(&self) {
        while self.open.get() > 0 {
            self.left.notified().await;
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "deadlines need a time to be compared with")]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_overdue_when_it_idles_stalls_or_does_not_take_its_answer() {
        let start = Instant::now();
        let patience = Patience { idle_max: Duration::from_secs(600), send_max: Duration::from_secs(10) };
        let at = |seconds| start + Duration::from_secs(seconds);
        let table = Connections::default();
        let entry = table.enter(start);
        assert_eq!(table.close_overdue(at(600), patience), 0);
        assert_eq!(table.close_overdue(at(601), patience), 1);
        entry.unanswered.set(1);
        assert_eq!(table.close_overdue(at(601), patience), 0, "a request that waits is no idleness");
        entry.frame_due.set(Some(at(30)));
        assert_eq!(table.close_overdue(at(31), patience), 1);
        entry.frame_due.set(None);
        entry.sending_since.set(Some(at(60)));
        assert_eq!(table.close_overdue(at(70), patience), 0);
        assert_eq!(table.close_overdue(at(71), patience), 1);
        assert_eq!(entry.order(), Order::Close);
    }

    #[test]
    fn places_are_used_again_and_orders_reach_those_who_come_later() {
        let table = Connections::default();
        let (first, second) = (table.enter(Instant::now()), table.enter(Instant::now()));
        table.leave(&first);
        let third = table.enter(Instant::now());
        assert_eq!((table.open_count(), third.place), (2, first.place));
        table.demand_of_all(Order::Finish);
        assert_eq!((second.order(), table.enter(Instant::now()).order()), (Order::Finish, Order::Finish));
    }
}
