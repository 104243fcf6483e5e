//! From a wire response to what the connection sends.

use engine::memory::Span;
use engine::ring::Part;
use wire::{ApiKey, Gap, encode_response_header, frame};

use crate::controller::limits::ITEMS_PER_REQUEST_MAX;
use crate::net::{Answer, Response};

/// Which request is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyTo {
    pub(super) key: ApiKey,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
}

impl ReplyTo {
    /// An answer that is encoded as a whole. `encode` appends the body in the given version.
    pub(super) fn whole(self, encode: impl FnOnce(i16, &mut Vec<u8>)) -> Response {
        let mut out = Vec::new();
        let start = frame::begin(&mut out);
        encode_response_header(self.key, self.version, self.correlation_id, &mut out);
        let body = out.len();
        encode(self.version, &mut out);
        frame::finish(&mut out, start, 0);
        let throttle_time_at = self.throttle_time_at(body, &out);
        Response { throttle_time_at, ..Response::whole(out) }
    }

    /// The same, ready to be returned by a handler.
    pub(super) fn ready(self, encode: impl FnOnce(i16, &mut Vec<u8>)) -> Answer {
        Answer::Ready(self.whole(encode))
    }

    /// An answer whose records stay where they lie. `encode` appends the body and returns its gaps; `payloads` has the
    /// records of each.
    pub(super) fn with_records(
        self,
        encode: impl FnOnce(i16, &mut Vec<u8>) -> Vec<Gap>,
        payloads: Vec<Vec<Span>>,
    ) -> Response {
        let mut out = Vec::new();
        let start = frame::begin(&mut out);
        encode_response_header(self.key, self.version, self.correlation_id, &mut out);
        let body = out.len();
        let gaps = encode(self.version, &mut out);
        frame::finish(&mut out, start, gaps.iter().map(|gap| gap.len).sum());
        assert_eq!(gaps.len(), payloads.len(), "every gap has its records");
        let throttle_time_at = self.throttle_time_at(body, &out);
        Response { throttle_time_at, ..Response::new(interleave(out, &gaps, payloads)) }
    }

    fn throttle_time_at(self, body: usize, out: &[u8]) -> Option<usize> {
        wire::throttle_time_at(self.key, self.version, out.len() - body).map(|at| body + at)
    }
}

/// Closes the connection of a client that asks about more items than exist: the answer would say something of each.
pub(super) fn refuse_above_limit(items: usize) -> Option<Answer> {
    let reason = || format!("a request about {items} items, {ITEMS_PER_REQUEST_MAX} are the limit");
    (items > ITEMS_PER_REQUEST_MAX).then(|| Answer::Close(reason()))
}

/// Puts each payload at its gap.
fn interleave(mut head: Vec<u8>, gaps: &[Gap], payloads: Vec<Vec<Span>>) -> Vec<Part> {
    // From the back, so that each cut copies only the few bytes behind it.
    let mut parts = Vec::with_capacity(gaps.len() + payloads.iter().map(Vec::len).sum::<usize>() + 1);
    for (gap, spans) in gaps.iter().zip(payloads).rev() {
        let after = head.split_off(gap.at);
        assert_eq!(spans.iter().map(|span| span.len()).sum::<usize>(), gap.len, "a gap is as long as its records");
        if !after.is_empty() {
            parts.push(Part::from(after));
        }
        parts.extend(spans.into_iter().rev().map(Part::from));
    }
    parts.push(Part::from(head));
    parts.reverse();
    parts
}
