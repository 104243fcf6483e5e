//! Spans that lie back to back in a file, read as one stretch of bytes.

use std::borrow::Cow;
use std::ops::Range;

use super::{AlignedBuf, Chunk, Span};

/// Positions count from the start of the first span.
#[derive(Debug, Clone, Default)]
pub struct Joined {
    spans: Vec<Span>,
    len: usize,
}

impl Joined {
    pub fn new(spans: Vec<Span>) -> Joined {
        let len = spans.iter().map(|span| span.len()).sum();
        Joined { spans, len }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of `range`, cut to what is there, as they lie in the spans.
    pub fn parts(&self, range: Range<usize>) -> impl Iterator<Item = &[u8]> {
        self.cuts(range).map(|(span, within)| &span[within])
    }

    /// The bytes of `range`, cut to what is there; copied only where they lie in more than one span.
    pub fn bytes(&self, range: Range<usize>) -> Cow<'_, [u8]> {
        let mut parts = self.parts(range);
        let first = parts.next().unwrap_or_default();
        match parts.next() {
            None => Cow::Borrowed(first),
            Some(second) => {
                let mut copied = [first, second].concat();
                parts.for_each(|part| copied.extend_from_slice(part));
                Cow::Owned(copied)
            }
        }
    }

    /// Spans of these bytes; `None` when the range reaches beyond.
    pub fn slice(&self, range: Range<usize>) -> Option<Vec<Span>> {
        if range.start > range.end || range.end > self.len {
            return None;
        }
        Some(self.cuts(range).map(|(span, within)| span.slice(within).expect("a part of the span")).collect())
    }

    /// The spans that `range` meets, each with the part of it that does.
    fn cuts(&self, range: Range<usize>) -> impl Iterator<Item = (&Span, Range<usize>)> {
        let mut position = 0;
        self.spans.iter().filter_map(move |span| {
            let start = position;
            position += span.len();
            let within = range.start.max(start) - start..range.end.min(position).saturating_sub(start);
            (within.start < within.end).then_some((span, within))
        })
    }
}

impl From<Span> for Joined {
    fn from(span: Span) -> Joined {
        Joined::new(vec![span])
    }
}

/// The same bytes in memory of their own, where the spans would keep more than `held_max` times as much from being freed.
pub fn thinned(spans: Vec<Span>, held_max: usize) -> Vec<Span> {
    let len: usize = spans.iter().map(|span| span.len()).sum();
    let held: usize = spans.iter().map(Span::held_bytes).sum();
    if len == 0 || held / held_max <= len {
        return spans;
    }
    let mut buf = AlignedBuf::zeroed(len);
    let mut position = 0;
    for span in &spans {
        buf[position..position + span.len()].copy_from_slice(span);
        position += span.len();
    }
    vec![Chunk::sealed(buf).slice(0..len).expect("all of it was written")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(bytes: &[u8]) -> Span {
        let mut buf = AlignedBuf::zeroed(bytes.len());
        buf.copy_from_slice(bytes);
        Chunk::sealed(buf).slice(0..bytes.len()).expect("all of it")
    }

    #[test]
    fn every_range_of_joined_spans_is_that_of_their_bytes() {
        let joined = Joined::new(vec![span(b"abc"), span(b""), span(b"d"), span(b"efgh")]);
        let whole = b"abcdefgh";
        for start in 0..=whole.len() {
            for end in start..=whole.len() {
                assert_eq!(&*joined.bytes(start..end), &whole[start..end]);
                let spans = joined.slice(start..end).expect("within");
                let bytes: Vec<u8> = spans.iter().flat_map(|span| span.to_vec()).collect();
                assert_eq!(bytes, &whole[start..end]);
            }
        }
        assert_eq!(&*joined.bytes(6..100), b"gh");
        assert_eq!(&*joined.bytes(50..100), b"");
        assert!(joined.slice(6..9).is_none());
        assert!(matches!(joined.bytes(4..8), Cow::Borrowed(_)) && matches!(joined.bytes(3..8), Cow::Owned(_)));
    }

    #[test]
    fn a_little_of_much_memory_gets_memory_of_its_own() {
        let large = span(&[7; 10_000]);
        let little = vec![large.slice(10..20).expect("within"), large.slice(30..35).expect("within")];
        let thin = thinned(little, 4);
        assert_eq!((thin.len(), thin[0].held_bytes(), &thin[0][..]), (1, 15, &[7; 15][..]));
        let much = vec![large.slice(0..2_600).expect("within")];
        assert_eq!(thinned(much, 4)[0].held_bytes(), 10_000);
    }
}
