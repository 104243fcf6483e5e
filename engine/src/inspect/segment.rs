//! A segment's batches, one after the other, in bounded memory.
//!
//! ```text
//!   0                          file_end            end
//!   |------ in the file -------|--- tail block -----|     the tail block is a checkpoint's copy of the last block
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use batch::{BatchError, BatchInfo, BatchView, layout};

/// Bytes that are read at once.
const WINDOW_BYTES: u64 = 1 << 20;

/// What the reader met at a position.
#[derive(Debug)]
pub enum Step<'a> {
    /// A batch whose header can be read; `crc` says whether its checksum holds.
    Batch { position: u64, batch: BatchView<'a>, crc: Result<(), BatchError> },
    /// No batch starts here, so there is no telling where the next one does.
    Broken { position: u64, what: String },
}

/// Walks the batches of one segment.
pub struct SegmentReader {
    /// Absent if no byte is expected in the file.
    file: Option<File>,
    file_end: u64,
    tail: Vec<u8>,
    position: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl SegmentReader {
    /// Reads `file` up to `file_end`, then `tail`.
    pub fn new(file: Option<File>, file_end: u64, tail: Vec<u8>) -> SegmentReader {
        SegmentReader { file, file_end, tail, position: 0, window: Vec::new(), window_at: 0 }
    }

    /// Where the batches end.
    pub fn end(&self) -> u64 {
        self.file_end + self.tail.len() as u64
    }

    /// Where the next batch is expected.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at a position where a batch is known to start.
    pub fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// Whether nothing but zeros lies from here to the end: extents that were reserved, or the padding of the last block.
    pub fn is_zero_to_the_end(&mut self) -> io::Result<bool> {
        let mut at = self.position;
        while at < self.end() {
            let len = WINDOW_BYTES.min(self.end() - at);
            if self.bytes(at, len)?.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += len;
        }
        Ok(true)
    }

    /// The next batch, or what is there instead; `None` at the end. After [`Step::Broken`] the reader stands still until
    /// [`SegmentReader::seek`].
    pub fn next_step(&mut self) -> Option<Step<'_>> {
        let position = self.position;
        if position >= self.end() {
            return None;
        }
        let len = match self.batch_len(position) {
            Ok(len) => len,
            Err(what) => return Some(Step::Broken { position, what }),
        };
        self.position += len;
        let step = match self.bytes(position, len) {
            Ok(bytes) => {
                let crc = batch::verify_crc(bytes);
                match BatchView::first(bytes) {
                    Ok(Some((batch, _))) => Step::Batch { position, batch, crc },
                    _ => unreachable!("the header has been read and the bytes are as long as it says"),
                }
            }
            Err(error) => Step::Broken { position, what: format!("it cannot be read: {error}") },
        };
        Some(step)
    }

    fn batch_len(&mut self, position: u64) -> Result<u64, String> {
        let left = self.end() - position;
        let head_len = left.min(layout::HEADER_BYTES as u64);
        let head = self.bytes(position, head_len).map_err(|error| format!("it cannot be read: {error}"))?;
        let info = BatchInfo::peek(head).map_err(|error| format!("no batch starts here: {error}"))?;
        let info = info.ok_or_else(|| format!("{left} bytes are no batch"))?;
        if info.length as u64 > left {
            return Err(format!("a batch of {} bytes does not fit the {left} that are left", info.length));
        }
        Ok(info.length as u64)
    }

    /// `len` bytes from `position` on, which lie before the end.
    fn bytes(&mut self, position: u64, len: u64) -> io::Result<&[u8]> {
        let window_end = self.window_at + self.window.len() as u64;
        if position < self.window_at || position + len > window_end {
            let ahead = len.max(WINDOW_BYTES).min(self.end() - position);
            // A device that cannot read something further on may still give what is asked for.
            self.fill(position, ahead).or_else(|_| self.fill(position, len))?;
        }
        let at = (position - self.window_at) as usize;
        Ok(&self.window[at..at + len as usize])
    }

    fn fill(&mut self, position: u64, len: u64) -> io::Result<()> {
        // Should reading fail, the window holds nothing.
        self.window.clear();
        let mut window = vec![0; len as usize];
        let from_file = self.file_end.saturating_sub(position).min(len) as usize;
        if from_file > 0 {
            let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
            file.read_exact_at(&mut window[..from_file], position)?;
        }
        if from_file < window.len() {
            let tail_at = (position + from_file as u64 - self.file_end) as usize;
            let wanted = window.len() - from_file;
            window[from_file..].copy_from_slice(&self.tail[tail_at..tail_at + wanted]);
        }
        self.window = window;
        self.window_at = position;
        Ok(())
    }
}
