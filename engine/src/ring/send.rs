//! Sending: one gathered call at a time, straight from the owned parts.

use std::io;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;

use io_uring::opcode;
use io_uring::types::Fd;

use super::limits::{SEND_BYTES_MAX, SEND_SEGMENTS_MAX};
use super::op::Op;
use super::slab::{Held, Kind};
use super::socket::{Socket, SocketInner};
use super::stats::bump;
use crate::memory::Span;

/// A piece of what is sent. Nothing is copied; the pieces come back when the kernel is done with them.
#[derive(Debug)]
pub enum Part {
    /// Bytes made for this answer: headers, small bodies.
    Owned(Vec<u8>),
    /// Stored bytes, shared with whoever else reads them.
    Span(Span),
    /// Bytes shared by count.
    Bytes(Arc<[u8]>),
}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Part::Owned(bytes) => bytes,
            Part::Span(span) => span,
            Part::Bytes(bytes) => bytes,
        }
    }
}

impl From<Vec<u8>> for Part {
    fn from(bytes: Vec<u8>) -> Part {
        Part::Owned(bytes)
    }
}

impl From<Span> for Part {
    fn from(span: Span) -> Part {
        Part::Span(span)
    }
}

impl From<Arc<[u8]>> for Part {
    fn from(bytes: Arc<[u8]>) -> Part {
        Part::Bytes(bytes)
    }
}

/// How far a send has come: the first part not fully sent, and the bytes of it that are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    part: usize,
    within: usize,
}

struct Sending {
    socket: Rc<SocketInner>,
    parts: Vec<Part>,
    progress: Progress,
    /// Made when more than one segment is left to send.
    message: Option<Box<Message>>,
}

impl Held for Sending {}

/// What the kernel reads to find the bytes. Boxed, because `header` points at `segments` and the kernel at `header`.
struct Message {
    header: libc::msghdr,
    segments: Vec<libc::iovec>,
}

impl Socket {
    /// Sends all parts in order, in as few calls as the kernel allows, and returns them. After an error an unknown part of the
    /// bytes may have left: the connection is of no more use.
    ///
    /// Only one task at a time may send on a connection, or the streams mix. Dropping the future may leave a part sent.
    pub async fn send_all(&self, parts: Vec<Part>) -> (io::Result<()>, Vec<Part>) {
        let socket = Rc::clone(&self.inner);
        let mut held = Sending { socket, parts, progress: Progress::default(), message: None };
        held.progress = advance(&held.parts, held.progress, 0);
        while held.progress.part < held.parts.len() {
            bump(&self.ring.shared.counters.sends, 1);
            let finished = Op::submit(&self.ring.shared, Kind::Cancellable, held, send_entry).await;
            held = finished.held;
            match finished.result {
                Err(error) => return (Err(error), held.parts),
                Ok(0) => return (Err(io::ErrorKind::WriteZero.into()), held.parts),
                Ok(sent) => held.progress = advance(&held.parts, held.progress, sent as usize),
            }
        }
        (Ok(()), held.parts)
    }
}

/// MSG_WAITALL lets the kernel go on after a short send without coming back here. A single segment needs no message header.
fn send_entry(held: &mut Sending) -> io_uring::squeue::Entry {
    let flags = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
    let fd = Fd(held.socket.fd.as_raw_fd());
    let Progress { part, within } = held.progress;
    if held.parts[part + 1..].iter().all(|part| part.is_empty()) {
        let rest = &held.parts[part][within..];
        let len = rest.len().min(SEND_BYTES_MAX) as u32;
        return opcode::Send::new(fd, rest.as_ptr(), len).flags(flags).build();
    }
    let message = held.message.get_or_insert_with(Message::boxed);
    let header = message.fill(&held.parts, held.progress);
    opcode::SendMsg::new(fd, header).flags(flags as u32).build()
}

impl Message {
    fn boxed() -> Box<Message> {
        // SAFETY: `msghdr` is plain data for which all zero bytes (null pointers, zero lengths) are valid.
        let header = unsafe { std::mem::zeroed() };
        Box::new(Message { header, segments: Vec::new() })
    }

    /// Points at what is still to be sent, as far as one call takes it.
    fn fill(&mut self, parts: &[Part], from: Progress) -> *const libc::msghdr {
        self.segments.clear();
        let mut room = SEND_BYTES_MAX;
        for (index, part) in parts.iter().enumerate().skip(from.part) {
            let skip = if index == from.part { from.within } else { 0 };
            let rest = &part[skip..];
            let len = rest.len().min(room);
            if len > 0 {
                let address = rest.as_ptr().cast_mut().cast();
                self.segments.push(libc::iovec { iov_base: address, iov_len: len });
            }
            room -= len;
            if room == 0 || self.segments.len() == SEND_SEGMENTS_MAX {
                break;
            }
        }
        self.header.msg_iov = self.segments.as_mut_ptr();
        self.header.msg_iovlen = self.segments.len() as _;
        &raw const self.header
    }
}

/// Where a send stands after `sent` more bytes. Never rests on a part that has nothing left.
fn advance(parts: &[Part], from: Progress, sent: usize) -> Progress {
    let mut at = from;
    let mut left = sent;
    while let Some(part) = parts.get(at.part) {
        let rest = part.len() - at.within;
        if left < rest {
            at.within += left;
            return at;
        }
        left -= rest;
        at = Progress { part: at.part + 1, within: 0 };
    }
    assert!(left == 0, "the kernel sent {left} bytes more than there were");
    at
}

#[cfg(test)]
mod tests {
    use super::{Message, Part, Progress, SEND_SEGMENTS_MAX, advance};

    fn parts(lens: &[usize]) -> Vec<Part> {
        lens.iter().map(|len| Part::Owned(vec![0; *len])).collect()
    }

    #[test]
    fn progress_skips_empty_parts_and_stops_within_one() {
        let parts = parts(&[0, 3, 0, 5, 0]);
        assert_eq!(advance(&parts, Progress::default(), 0), Progress { part: 1, within: 0 });
        assert_eq!(advance(&parts, Progress { part: 1, within: 0 }, 2), Progress { part: 1, within: 2 });
        assert_eq!(advance(&parts, Progress { part: 1, within: 2 }, 1), Progress { part: 3, within: 0 });
        assert_eq!(advance(&parts, Progress { part: 3, within: 0 }, 5), Progress { part: 5, within: 0 });
    }

    #[test]
    fn one_call_takes_no_more_segments_than_the_kernel_allows() {
        let parts = parts(&[1; SEND_SEGMENTS_MAX + 10]);
        let mut message = Message::boxed();
        message.fill(&parts, Progress::default());
        assert_eq!(message.segments.len(), SEND_SEGMENTS_MAX);
        message.fill(&parts, Progress { part: SEND_SEGMENTS_MAX, within: 0 });
        assert_eq!(message.segments.len(), 10);
    }
}
