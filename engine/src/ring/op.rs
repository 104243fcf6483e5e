//! One operation as a future.
//!
//! Who owns the memory: an [`Op`] owns what the kernel uses (`held`) while somebody waits for it. Dropped early, it moves
//! `held` into the slab, where it stays until the completion arrives. Forgotten, it leaks. In no case is memory freed or moved
//! that the kernel may still read or write.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use io_uring::squeue::{Entry, Flags};

use super::shared::Shared;
use super::slab::{Abandoned, Completion, Held, Key, Kind};

/// The end of an operation: the kernel's count, its flags, and what it had used.
pub(super) struct Finished<H> {
    pub(super) result: io::Result<u32>,
    pub(super) flags: u32,
    pub(super) held: H,
}

pub(super) struct Op<H: Held> {
    ring: Rc<Shared>,
    stage: Stage<H>,
}

enum Stage<H> {
    Submitted(Key, H),
    Refused(io::Error, H),
    Over,
}

impl<H: Held> Op<H> {
    /// Queues the operation at once; it runs whether or not the future is polled.
    ///
    /// `build` makes the entry from `held`, whose heap addresses stay the same when it moves.
    pub(super) fn submit(ring: &Rc<Shared>, kind: Kind, mut held: H, build: impl FnOnce(&mut H) -> Entry) -> Op<H> {
        match reserve(ring, kind) {
            Err(error) => Op { ring: Rc::clone(ring), stage: Stage::Refused(error, held) },
            Ok(key) => {
                let entry = build(&mut held).user_data(key.user_data());
                ring.push(entry);
                Op { ring: Rc::clone(ring), stage: Stage::Submitted(key, held) }
            }
        }
    }

    /// Queues two operations of which the second starts when the first has fully succeeded; otherwise it is cancelled.
    pub(super) fn submit_linked<G: Held>(
        ring: &Rc<Shared>,
        kind: Kind,
        (mut first, build_first): (H, impl FnOnce(&mut H) -> Entry),
        (mut second, build_second): (G, impl FnOnce(&mut G) -> Entry),
    ) -> (Op<H>, Op<G>) {
        let refused = |error: io::Error, first: H, second: G| {
            let other = io::Error::from(error.kind());
            let first = Op { ring: Rc::clone(ring), stage: Stage::Refused(error, first) };
            (first, Op { ring: Rc::clone(ring), stage: Stage::Refused(other, second) })
        };
        if ring.slab.borrow().vacancies() < 2 {
            return refused(busy(), first, second);
        }
        let (first_key, second_key) = match (reserve(ring, kind), reserve(ring, kind)) {
            (Ok(first_key), Ok(second_key)) => (first_key, second_key),
            _ => unreachable!("both fit, and disk operations are not refused otherwise"),
        };
        let entries = [
            build_first(&mut first).flags(Flags::IO_LINK).user_data(first_key.user_data()),
            build_second(&mut second).user_data(second_key.user_data()),
        ];
        ring.push_linked(entries);
        let first = Op { ring: Rc::clone(ring), stage: Stage::Submitted(first_key, first) };
        (first, Op { ring: Rc::clone(ring), stage: Stage::Submitted(second_key, second) })
    }
}

fn reserve(ring: &Shared, kind: Kind) -> io::Result<Key> {
    if kind == Kind::Cancellable && ring.closing.get() {
        return Err(closed());
    }
    ring.slab.borrow_mut().insert(kind).ok_or_else(busy)
}

/// What socket operations end with after [`super::Ring::shutdown`].
pub(super) fn closed() -> io::Error {
    io::Error::from_raw_os_error(libc::ECANCELED)
}

pub(super) fn busy() -> io::Error {
    io::Error::from_raw_os_error(libc::EBUSY)
}

/// The kernel's convention: a count, or the negated error number.
pub(super) fn outcome(result: i32) -> io::Result<u32> {
    u32::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
}

impl<H: Held> Future for Op<H> {
    type Output = Finished<H>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished<H>> {
        if let Stage::Submitted(key, _) = &self.stage {
            let polled = self.ring.slab.borrow_mut().poll(*key, cx.waker());
            let Poll::Ready(completion) = polled else { return Poll::Pending };
            let Stage::Submitted(_, held) = std::mem::replace(&mut self.stage, Stage::Over) else { unreachable!() };
            let Completion { result, flags } = completion;
            return Poll::Ready(Finished { result: outcome(result), flags, held });
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Refused(error, held) => Poll::Ready(Finished { result: Err(error), flags: 0, held }),
            Stage::Submitted(..) | Stage::Over => panic!("an operation was polled after it had ended"),
        }
    }
}

impl<H: Held> Drop for Op<H> {
    fn drop(&mut self) {
        let Stage::Submitted(key, held) = std::mem::replace(&mut self.stage, Stage::Over) else { return };
        abandon(&self.ring, key, held);
    }
}

/// Leaves an operation to itself: what it uses stays alive with it, and it is cancelled if its kind allows.
pub(super) fn abandon<H: Held>(ring: &Shared, key: Key, held: H) {
    let abandoned = ring.slab.borrow_mut().abandon(key, held);
    match abandoned {
        Abandoned::Ended(mut held, unseen) => unseen.into_iter().for_each(|completion| held.discard(completion)),
        Abandoned::InFlight(true) => ring.cancel(key.user_data()),
        Abandoned::InFlight(false) => {}
    }
}
