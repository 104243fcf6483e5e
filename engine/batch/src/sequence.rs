//! Walking batches that stand back to back.

use crate::{BatchError, BatchView};

/// Iterates over the batches of a segment's or an answer's bytes by their headers alone.
///
/// A batch that is cut off at the end is a clean end, for that is how Kafka fills an answer to its size limit; see
/// [`Batches::rest`]. Garbage gives one error, then the end.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    failed: bool,
}

impl<'a> Batches<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Batches { rest: bytes, failed: false }
    }

    /// What has not been walked yet; after the end, the cut-off batch or the garbage, if any.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match BatchView::first(self.rest) {
            Ok(Some((view, rest))) => {
                self.rest = rest;
                Some(Ok(view))
            }
            Ok(None) => None,
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
