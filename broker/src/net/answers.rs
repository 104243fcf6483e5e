//! The answers one connection owes, in the order of its requests.
//!
//! ```text
//!   push:  Later ---polled until ready---> Ready ---taken from the head---> socket
//!          Ready ------------------------------^
//! ```
//! Requests wait side by side: all were started when they were pushed, and several are polled at a time, but an answer
//! leaves only when those before it have left. Lives on one shard.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use engine::ring::Part;

use super::budget::Permit;
use super::response::Response;
use crate::clock::Clock;
use crate::limits::{ANSWERS_POLLED_MAX, CONNECTION_BYTES_IN_FLIGHT_MAX, SEND_COALESCE_BYTES, SEND_PARTS_MAX};
use crate::metrics::{Stage, Timeline};

/// An answer that is still waited for.
pub type PendingResponse = Pin<Box<dyn Future<Output = Response>>>;

/// An answer's request, as the metrics know it.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub api_key: i16,
    pub timeline: Timeline,
}

enum Progress {
    Later(PendingResponse),
    Ready(Response),
}

/// A request that was started and whose answer has not left.
struct Owed {
    origin: Origin,
    progress: Progress,
    /// What it counts for now: the request's bytes, then the answer's.
    bytes: usize,
    /// The request's share of the shard's budget, given back when the answer is ready.
    permit: Option<Permit>,
}

/// The queue of one connection. Empty it holds little memory.
///
/// Invariant: `bytes` is the sum over the queue of the bytes of unanswered requests and of ready answers.
#[derive(Default)]
pub struct Answers {
    queue: VecDeque<Owed>,
    bytes: usize,
    /// Memory of the answers that were taken and have not been sent.
    leaving: Vec<Permit>,
}

/// Places that an empty queue keeps, so that a client with few requests at a time causes no allocation for them.
const PLACES_KEPT: usize = 4;

impl Answers {
    /// Adds the answer of the newest request, which is there already.
    pub fn push_ready(&mut self, origin: Origin, response: Response) {
        let bytes = response.byte_len();
        self.bytes += bytes;
        self.queue.push_back(Owed { origin, progress: Progress::Ready(response), bytes, permit: None });
    }

    /// Adds the answer of the newest request, which is still waited for.
    pub fn push_later(&mut self, origin: Origin, response: PendingResponse, request_bytes: usize, permit: Permit) {
        self.bytes += request_bytes;
        let progress = Progress::Later(response);
        self.queue.push_back(Owed { origin, progress, bytes: request_bytes, permit: Some(permit) });
    }

    /// What was taken has been sent.
    pub fn on_sent(&mut self) {
        self.leaving.clear();
        self.leaving.shrink_to(PLACES_KEPT);
    }

    /// Answers that have not left.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of unanswered requests and of ready answers.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    /// Moves the pieces of the ready answers at the head to `parts`, as many as one send should carry, and tells whose
    /// they are. Takes none if the head is not ready; then the task is woken when that changes. `settle` sees each answer before it is taken.
    pub fn take_ready(
        &mut self,
        parts: &mut Vec<Part>,
        taken: &mut Vec<Origin>,
        mut settle: impl FnMut(i16, &mut Response),
        cx: &mut Context<'_>,
    ) {
        let mut gathered_bytes = 0;
        loop {
            for (place, owed) in self.queue.iter_mut().take(ANSWERS_POLLED_MAX).enumerate() {
                // What is polled may become an answer of many bytes. The head goes on whatever it is, or nothing would.
                if place == 0 || self.bytes < CONNECTION_BYTES_IN_FLIGHT_MAX {
                    owed.advance(cx, &mut self.bytes);
                }
            }
            let before = taken.len();
            while let Some((api_key, response)) = self.ready_head(gathered_bytes, parts.len()) {
                settle(api_key, response);
                gathered_bytes += response.byte_len();
                parts.append(&mut response.parts);
                let held = std::mem::take(&mut response.held);
                self.leaving.extend(held);
                let owed = self.queue.pop_front().expect("its answer was taken");
                self.bytes -= owed.bytes;
                taken.push(owed.origin);
            }
            // What moved up has perhaps not been polled for a while.
            if taken.len() == before || self.queue.len() < ANSWERS_POLLED_MAX {
                break;
            }
        }
        if self.queue.is_empty() {
            assert_eq!(self.bytes, 0, "an empty queue owes no bytes");
            self.queue.shrink_to(PLACES_KEPT);
        }
    }

    /// The answer at the head if it is ready and still fits into this send; the first one always fits.
    fn ready_head(&mut self, gathered_bytes: usize, gathered_parts: usize) -> Option<(i16, &mut Response)> {
        let Owed { progress: Progress::Ready(response), bytes, origin, .. } = self.queue.front_mut()? else {
            return None;
        };
        let fits =
            gathered_bytes + *bytes <= SEND_COALESCE_BYTES && gathered_parts + response.parts.len() <= SEND_PARTS_MAX;
        (fits || gathered_parts == 0).then_some((origin.api_key, response))
    }
}

impl Owed {
    fn advance(&mut self, cx: &mut Context<'_>, bytes: &mut usize) {
        let Progress::Later(future) = &mut self.progress else { return };
        let Poll::Ready(mut response) = future.as_mut().poll(cx) else { return };
        match response.timeline.take() {
            Some(timeline) => self.origin.timeline = timeline,
            None => self.origin.timeline.pass(Stage::Handle, Clock.monotonic()),
        }
        let response_bytes = response.byte_len();
        *bytes = *bytes - self.bytes + response_bytes;
        self.bytes = response_bytes;
        self.progress = Progress::Ready(response);
        self.permit = None;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::task::Waker;

    use super::*;
    use crate::net::budget::Budget;

    const BUDGET_BYTES: usize = 1000;

    fn origin(number: i16) -> Origin {
        Origin { api_key: number, timeline: Timeline::new(Clock.monotonic()) }
    }

    fn take(answers: &mut Answers) -> (Vec<i16>, usize) {
        let (mut parts, mut taken) = (Vec::new(), Vec::new());
        answers.take_ready(&mut parts, &mut taken, |_, _| (), &mut Context::from_waker(Waker::noop()));
        (taken.iter().map(|origin| origin.api_key).collect(), parts.iter().map(|part: &Part| part.len()).sum())
    }

    /// An answer of `bytes` bytes that is ready once the switch is on.
    fn later(switch: &Rc<Cell<bool>>, bytes: usize) -> PendingResponse {
        let switch = switch.clone();
        Box::pin(async move {
            std::future::poll_fn(|_| if switch.get() { Poll::Ready(()) } else { Poll::Pending }).await;
            Response::whole(vec![0; bytes])
        })
    }

    #[test]
    fn answers_leave_in_the_order_of_their_requests_and_give_memory_back_when_they_are_ready() {
        let budget = Budget::new(BUDGET_BYTES);
        let mut answers = Answers::default();
        let switches: Vec<Rc<Cell<bool>>> = (0..2).map(|_| Rc::default()).collect();
        for (number, switch) in switches.iter().enumerate() {
            let mut permit = budget.open();
            assert!(permit.try_grow(100));
            answers.push_later(origin(number as i16), later(switch, 10), 100, permit);
        }
        answers.push_ready(origin(2), Response::whole(vec![0; 7]));
        assert_eq!((answers.len(), answers.byte_len()), (3, 207));
        switches[1].set(true);
        assert_eq!(take(&mut answers), (vec![], 0), "the first is not ready");
        assert_eq!((answers.byte_len(), budget.used_bytes()), (117, 100), "the second is ready, its request is let go");
        switches[0].set(true);
        assert_eq!(take(&mut answers), (vec![0, 1, 2], 27));
        assert_eq!((answers.len(), answers.byte_len(), budget.used_bytes()), (0, 0, 0));
    }

    #[test]
    fn one_send_carries_what_is_small_and_a_large_answer_alone() {
        let mut answers = Answers::default();
        for (number, bytes) in [600, 400, SEND_COALESCE_BYTES + 5, 3].into_iter().enumerate() {
            answers.push_ready(origin(number as i16), Response::whole(vec![0; bytes]));
        }
        assert_eq!(take(&mut answers), (vec![0, 1], 1000));
        assert_eq!(take(&mut answers), (vec![2], SEND_COALESCE_BYTES + 5));
        assert_eq!(take(&mut answers), (vec![3], 3));
    }

    #[test]
    fn a_full_window_of_ready_answers_does_not_end_the_walk() {
        let mut answers = Answers::default();
        let on = Rc::new(Cell::new(true));
        let budget = Budget::new(BUDGET_BYTES);
        let count = 3 * ANSWERS_POLLED_MAX as i16;
        for number in 0..count {
            answers.push_later(origin(number), later(&on, 1), 1, budget.open());
        }
        assert_eq!(take(&mut answers), ((0..count).collect(), count as usize));
    }

    #[test]
    fn an_answer_without_bytes_is_taken_like_any_other() {
        let mut answers = Answers::default();
        answers.push_ready(origin(0), Response::default());
        answers.push_ready(origin(1), Response::whole(vec![1]));
        assert_eq!(take(&mut answers), (vec![0, 1], 1));
    }
}
