//! The bounded queue between one sending and one receiving shard, and the bell that wakes a sleeping receiver.
//!
//! ```text
//!            head (next to take)        tail (next to put)
//!              v                          v
//!  slots: [ .. | A | B | C | D | E | F |   |   | .. ]      index = counter & (capacity - 1)
//! ```
//! Counters only grow (wrapping); `tail - head` is the number of messages. The receiver alone writes `head`, the
//! sender alone writes `tail`; each keeps a stale copy of the other's counter and looks again only when the copy says
//! that the queue is full or empty, so a busy pair rarely shares a cache line.
//!
//! Invariant: `head <= tail <= head + capacity`; the slots in `head..tail` are initialised and belong to the receiver,
//! all others are uninitialised and belong to the sender.
//!
//! No lost wake-up: the receiver announces that it will sleep and then looks at its queues once more; the sender
//! publishes its message and then looks at the announcement. A sequentially consistent fence stands between the two
//! steps on both sides, so at least one of them sees the other. `tests/tests/mesh_loom.rs` proves both claims.

use std::mem::MaybeUninit;

use super::sync::{Arc, AtomicBool, AtomicUsize, Ordering, UnsafeCell, fence};

/// Keeps what two cores write apart: two 64-byte lines, because the CPU fetches them in pairs.
#[repr(align(128))]
struct Padded<T>(T);

struct Shared<T> {
    head: Padded<AtomicUsize>,
    tail: Padded<AtomicUsize>,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

// SAFETY: a slot is touched by the sender only while it is outside `head..tail` and by the receiver only while it is
// inside; the Release stores and Acquire loads of the counters hand it over. There is one sender and one receiver,
// because neither end can be cloned.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: the queue owns its messages, which may move between threads.
unsafe impl<T: Send> Send for Shared<T> {}

/// The end that puts messages in.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
    tail: usize,
    head_seen: usize,
}

/// The end that takes messages out.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    head: usize,
    tail_seen: usize,
}

/// Makes a queue for `capacity` messages, a power of two.
pub fn queue<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity.is_power_of_two(), "an index is a masked counter");
    let slots = (0..capacity).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect();
    let shared = Arc::new(Shared { head: Padded(AtomicUsize::new(0)), tail: Padded(AtomicUsize::new(0)), slots });
    (Sender { shared: shared.clone(), tail: 0, head_seen: 0 }, Receiver { shared, head: 0, tail_seen: 0 })
}

impl<T> Sender<T> {
    /// Puts `message` in, or gives it back when the queue is full.
    pub fn push(&mut self, message: T) -> Result<(), T> {
        let capacity = self.shared.slots.len();
        if self.tail.wrapping_sub(self.head_seen) == capacity {
            self.head_seen = self.shared.head.0.load(Ordering::Acquire);
            if self.tail.wrapping_sub(self.head_seen) == capacity {
                return Err(message);
            }
        }
        let slot = &self.shared.slots[self.tail & (capacity - 1)];
        // SAFETY: fewer than `capacity` messages are in the queue, so this slot is outside `head..tail`: it is the
        // sender's, and nothing initialised is overwritten. The Acquire load of `head` ordered the receiver's read of
        // the slot before this write.
        slot.with_mut(|place| unsafe { (*place).write(message) });
        self.tail = self.tail.wrapping_add(1);
        self.shared.tail.0.store(self.tail, Ordering::Release);
        debug_assert!(self.tail.wrapping_sub(self.head_seen) <= capacity);
        Ok(())
    }
}

impl<T> Receiver<T> {
    /// Takes the oldest message out, or `None` when there is none.
    pub fn pop(&mut self) -> Option<T> {
        if !self.has_message() {
            return None;
        }
        let slot = &self.shared.slots[self.head & (self.shared.slots.len() - 1)];
        // SAFETY: `head < tail`, so the slot is initialised and the receiver's; the Acquire load of `tail` ordered the
        // sender's write before this read. Moving `head` on gives the slot back, so the value is read once.
        let message = slot.with_mut(|place| unsafe { (*place).assume_init_read() });
        self.head = self.head.wrapping_add(1);
        self.shared.head.0.store(self.head, Ordering::Release);
        Some(message)
    }

    /// Whether `pop` would give a message.
    pub fn has_message(&mut self) -> bool {
        if self.head == self.tail_seen {
            self.tail_seen = self.shared.tail.0.load(Ordering::Acquire);
        }
        self.head != self.tail_seen
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Both ends are gone, so the counters stand still and what lies between them is nobody else's.
        let tail = self.tail.0.load(Ordering::Relaxed);
        let mut head = self.head.0.load(Ordering::Relaxed);
        while head != tail {
            let slot = &self.slots[head & (self.slots.len() - 1)];
            // SAFETY: slots in `head..tail` are initialised, and `head` moves on so that each is dropped once.
            slot.with_mut(|place| unsafe { (*place).assume_init_drop() });
            head = head.wrapping_add(1);
        }
    }
}

/// Whether one shard sleeps, as its peers see it.
///
/// Every write is a swap, also where nobody looks at the old value: swaps form one row in which each sees the one before
/// it. (loom does not place a plain store in such a row and then reports a loss that no machine could show.)
pub struct Bell {
    sleeping: Padded<AtomicBool>,
}

impl Bell {
    /// A bell of a shard that is awake.
    pub fn new() -> Self {
        Self { sleeping: Padded(AtomicBool::new(false)) }
    }

    /// The receiver will sleep. After this it must look at every queue once more, and sleep only if all are empty.
    pub fn announce_sleep(&self) {
        self.sleeping.0.swap(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The receiver is awake.
    pub fn announce_awake(&self) {
        self.sleeping.0.swap(false, Ordering::Relaxed);
    }

    /// The sender has put something in: true if it now has the duty to wake the receiver. Of several senders one gets it.
    pub fn must_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        self.sleeping.0.load(Ordering::Relaxed) && self.sleeping.0.swap(false, Ordering::Relaxed)
    }
}

impl Default for Bell {
    fn default() -> Self {
        Self::new()
    }
}
