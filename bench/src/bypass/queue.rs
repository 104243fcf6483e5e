//! An io_uring that carries writes with and without a sync, all from one buffer that nobody changes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use crate::ceilings::disk::{Page, pages_for, wait_for_one, whole};

/// The largest single write.
pub const WRITE_BYTES_MAX: u64 = (4 << 20) + (64 << 10);
const ENTRIES: u32 = 256;
/// Marks completions that are only a step of something: the write before its sync.
const STEP: u64 = 1 << 63;
const LENGTH_SHIFT: u32 = 32;
const TAG_MAX: u64 = (1 << LENGTH_SHIFT) - 1;

/// What a load has under way.
pub struct Queue {
    ring: IoUring<squeue::Entry, cqueue::Entry>,
    bytes: Vec<Page>,
    in_flight: usize,
}

impl Queue {
    pub fn new() -> io::Result<Queue> {
        let ring =
            IoUring::builder().setup_single_issuer().setup_coop_taskrun().setup_defer_taskrun().build(ENTRIES)?;
        Ok(Queue { ring, bytes: pages_for(WRITE_BYTES_MAX as usize, 1), in_flight: 0 })
    }

    pub fn is_idle(&self) -> bool {
        self.in_flight == 0
    }

    /// Starts a write; `tag` comes back when it is done.
    pub fn write(&mut self, file: &File, position: u64, bytes: u64, tag: u64) {
        let write = self.entry(file, position, bytes).user_data(done(bytes, tag));
        self.push(&[write]);
    }

    /// Starts a write and, when it is done, an fdatasync of the file; `tag` comes back when that is done.
    pub fn write_durably(&mut self, file: &File, position: u64, bytes: u64, tag: u64) {
        let write = self.entry(file, position, bytes).flags(squeue::Flags::IO_LINK).user_data(done(bytes, tag) | STEP);
        self.push(&[write, sync_of(file, tag)]);
    }

    /// Starts an fdatasync.
    pub fn sync(&mut self, file: &File, tag: u64) {
        self.push(&[sync_of(file, tag)]);
    }

    /// Sleeps until something is done and gives the tags of what was.
    pub fn done(&mut self) -> io::Result<Vec<u64>> {
        wait_for_one(&self.ring);
        let completions: Vec<(u64, i32)> =
            self.ring.completion().map(|entry| (entry.user_data(), entry.result())).collect();
        self.in_flight -= completions.len();
        let mut tags = Vec::new();
        for (what, result) in completions {
            whole(result, ((what & !STEP) >> LENGTH_SHIFT) as usize)?;
            if what & STEP == 0 {
                tags.push(what & TAG_MAX);
            }
        }
        Ok(tags)
    }

    fn entry(&mut self, file: &File, position: u64, bytes: u64) -> squeue::Entry {
        assert!(bytes <= WRITE_BYTES_MAX);
        opcode::Write::new(types::Fd(file.as_raw_fd()), self.bytes.as_ptr().cast(), bytes as u32)
            .offset(position)
            .build()
    }

    fn push(&mut self, entries: &[squeue::Entry]) {
        self.in_flight += entries.len();
        // SAFETY: the buffer and the files outlive the queue's transfers: `drop` waits for all of them.
        unsafe { self.ring.submission().push_multiple(entries).expect("the ring is longer than what is under way") };
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while self.in_flight > 0 {
            wait_for_one(&self.ring);
            self.in_flight -= self.ring.completion().count();
        }
    }
}

fn done(bytes: u64, tag: u64) -> u64 {
    assert!(tag <= TAG_MAX);
    bytes << LENGTH_SHIFT | tag
}

fn sync_of(file: &File, tag: u64) -> squeue::Entry {
    opcode::Fsync::new(types::Fd(file.as_raw_fd())).flags(types::FsyncFlags::DATASYNC).build().user_data(tag)
}
