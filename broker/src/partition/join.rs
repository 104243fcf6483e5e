//! Waiting for several futures of one task.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

enum Part<F: Future> {
    Running(F),
    Done(F::Output),
    Taken,
}

/// Resolves to the outputs of all futures, in their order.
#[must_use = "futures do nothing unless awaited"]
pub struct JoinAll<F: Future> {
    parts: Vec<Part<F>>,
}

/// Waits for all of them side by side.
pub fn join_all<F: Future + Unpin>(futures: impl IntoIterator<Item = F>) -> JoinAll<F> {
    JoinAll { parts: futures.into_iter().map(Part::Running).collect() }
}

impl<F> Future for JoinAll<F>
where
    F: Future + Unpin,
    F::Output: Unpin,
{
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut is_waiting = false;
        for part in &mut self.parts {
            if let Part::Running(future) = part {
                match Pin::new(future).poll(cx) {
                    Poll::Ready(output) => *part = Part::Done(output),
                    Poll::Pending => is_waiting = true,
                }
            }
        }
        if is_waiting {
            return Poll::Pending;
        }
        let outputs = self.parts.iter_mut().map(|part| match std::mem::replace(part, Part::Taken) {
            Part::Done(output) => output,
            Part::Running(_) | Part::Taken => unreachable!("a joined future is done once and not polled after its end"),
        });
        Poll::Ready(outputs.collect())
    }
}

/// Resolves with the first of the futures that is ready: its place and its output.
#[must_use = "futures do nothing unless awaited"]
pub struct FirstOf<'a, F> {
    futures: &'a mut [F],
}

/// Waits for any of them. The others stay as they are.
pub fn first_of<F: Future + Unpin>(futures: &mut [F]) -> FirstOf<'_, F> {
    assert!(!futures.is_empty(), "nothing can be the first of none");
    FirstOf { futures }
}

impl<F: Future + Unpin> Future for FirstOf<'_, F> {
    type Output = (usize, F::Output);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        for (place, future) in self.futures.iter_mut().enumerate() {
            if let Poll::Ready(output) = Pin::new(future).poll(cx) {
                return Poll::Ready((place, output));
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn, ready};
    use std::task::Waker;

    use super::*;

    type Boxed = Pin<Box<dyn Future<Output = u32>>>;

    fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Ready at the second poll.
    fn late(output: u32) -> Boxed {
        let mut is_polled = false;
        Box::pin(poll_fn(
            move |_| if std::mem::replace(&mut is_polled, true) { Poll::Ready(output) } else { Poll::Pending },
        ))
    }

    #[test]
    fn outputs_come_in_the_order_of_the_futures_whenever_they_were_ready() {
        let futures: Vec<Boxed> = vec![late(1), Box::pin(ready(2)), late(3)];
        let mut joined = join_all(futures);
        assert_eq!(poll_once(&mut joined), Poll::Pending);
        assert_eq!(poll_once(&mut joined), Poll::Ready(vec![1, 2, 3]));
        assert_eq!(poll_once(&mut join_all(Vec::<Boxed>::new())), Poll::Ready(vec![]));
    }

    #[test]
    fn the_first_that_is_ready_is_named() {
        let mut futures: Vec<Boxed> = vec![Box::pin(pending()), late(7)];
        assert_eq!(poll_once(&mut first_of(&mut futures)), Poll::Pending);
        assert_eq!(poll_once(&mut first_of(&mut futures)), Poll::Ready((1, 7)));
    }
}
