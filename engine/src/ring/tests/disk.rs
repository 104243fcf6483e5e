//! Disk operations.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::{disk_directory, on_shard, small, until};
use crate::memory::{AlignedBuf, Chunk};
use crate::ring::limits::WRITE_SPANS_MAX;
use crate::ring::{DirectFile, Ring, SyncMethod, spawn};

const BLOCK: usize = 4096;

fn block_of(byte: u8, blocks: usize) -> AlignedBuf {
    let mut buf = AlignedBuf::zeroed(blocks * BLOCK);
    buf.fill(byte);
    buf
}

async fn create_direct(ring: &Ring, path: &Path) -> DirectFile {
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_DIRECT;
    ring.open(path, flags, 0o600).await.expect("the file opens for direct I/O")
}

#[test]
fn what_is_written_durably_is_read_back_by_either_method() {
    let directory = disk_directory();
    let path = directory.path().join("data");
    on_shard(small(), move |ring| async move {
        let file = create_direct(&ring, &path).await;
        for (index, method) in [SyncMethod::Dsync, SyncMethod::LinkedFsync].into_iter().enumerate() {
            let position = (index * 2 * BLOCK) as u64;
            let (result, buf) = ring.write_at_durable(&file, block_of(index as u8 + 1, 2), position, method).await;
            result.expect("the write is durable");
            let (read, buf) = ring.read_exact_at(&file, buf, position, 2 * BLOCK).await;
            assert_eq!(read.expect("the read works"), 2 * BLOCK);
            assert!(buf.iter().all(|byte| *byte == index as u8 + 1));
        }
        let (read, _) = ring.read_exact_at(&file, block_of(0, 4), 3 * BLOCK as u64, 4 * BLOCK).await;
        assert_eq!(read.expect("the end of the file is not an error"), BLOCK);
        ring.fdatasync(&file).await.expect("fdatasync");
        ring.fsync(&file).await.expect("fsync");
    });
}

#[test]
fn names_are_made_moved_and_removed() {
    let directory = disk_directory();
    let base = directory.path().to_path_buf();
    on_shard(small(), move |ring| async move {
        let sub = base.join("sub");
        ring.mkdir(&sub, 0o700).await.expect("mkdir");
        let (from, to) = (sub.join("a"), sub.join("b"));
        let file = create_direct(&ring, &from).await;
        ring.fallocate(&file, 0, 0, 1 << 20).await.expect("fallocate");
        assert_eq!(std::fs::metadata(&from).expect("it is there").len(), 1 << 20);
        ring.ftruncate(&file, 4096).await.expect("ftruncate");
        assert_eq!(std::fs::metadata(&from).expect("it is there").len(), 4096);
        ring.rename(&from, &to).await.expect("rename");
        ring.unlink(&to).await.expect("unlink");
        let missing = ring.open(&to, libc::O_RDONLY, 0).await.expect_err("it is gone");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        let listed = ring.open(&sub, libc::O_RDONLY | libc::O_DIRECTORY, 0).await.expect("a directory opens");
        ring.fsync(&listed).await.expect("a directory syncs");
        ring.rmdir(&sub).await.expect("rmdir");
    });
}

/// A pipe that takes no more than its 64 KiB at once: a write to it is short.
fn short_pipe(ring: &Ring) -> (OwnedFd, DirectFile) {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) };
    assert_eq!(made, 0);
    // SAFETY: both descriptors are fresh and nobody else owns them.
    let [read, write] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    (read, ring.adopt_file(write))
}

#[test]
fn a_short_write_is_an_error_that_says_how_much_went() {
    on_shard(small(), |ring| async move {
        let (_read, write) = short_pipe(&ring);
        let (result, buf) = ring.write_all_at(&write, vec![1_u8; 100_000], 0).await;
        let error = result.expect_err("a pipe takes 64 KiB");
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
        assert_eq!(error.to_string(), "short write: 65536 of 100000 bytes");
        assert_eq!(buf.len(), 100_000);
    });
}

#[test]
fn a_short_write_breaks_the_link_and_nothing_is_called_durable() {
    on_shard(small(), |ring| async move {
        let (_read, write) = short_pipe(&ring);
        let (result, _) = ring.write_at_durable(&write, vec![1_u8; 100_000], 0, SyncMethod::LinkedFsync).await;
        assert_eq!(result.expect_err("a short write is not durable").kind(), io::ErrorKind::WriteZero);
        assert_eq!(ring.stats().in_flight, 0, "the linked sync has ended as well");
    });
}

#[test]
fn a_failed_sync_fails_the_durable_write_although_the_write_went_well() {
    on_shard(small(), |ring| async move {
        let (_read, write) = short_pipe(&ring);
        let (result, _) = ring.write_at_durable(&write, vec![1_u8; 100], 0, SyncMethod::LinkedFsync).await;
        assert_eq!(result.expect_err("a pipe cannot be synced").raw_os_error(), Some(libc::EINVAL));
    });
}

#[test]
fn a_write_to_a_file_open_for_reading_fails_by_either_method() {
    let directory = disk_directory();
    let path = directory.path().join("data");
    std::fs::write(&path, vec![0; BLOCK]).expect("the file is made");
    on_shard(small(), move |ring| async move {
        let file = ring.open(&path, libc::O_RDONLY | libc::O_DIRECT, 0).await.expect("it opens");
        for method in [SyncMethod::Dsync, SyncMethod::LinkedFsync] {
            let (result, buf) = ring.write_at_durable(&file, block_of(1, 1), 0, method).await;
            assert_eq!(result.expect_err("it is read-only").raw_os_error(), Some(libc::EBADF), "{method:?}");
            assert_eq!(buf.len(), BLOCK, "the buffer comes back");
        }
    });
}

#[test]
fn a_full_device_is_an_error_not_a_panic() {
    on_shard(small(), |ring| async move {
        let full = ring.open(Path::new("/dev/full"), libc::O_WRONLY, 0).await.expect("it opens");
        let (result, _) = ring.write_all_at(&full, vec![0_u8; 10], 0).await;
        assert_eq!(result.expect_err("it is full").raw_os_error(), Some(libc::ENOSPC));
    });
}

#[test]
fn an_unaligned_direct_write_is_refused_by_the_kernel_and_reported() {
    let directory = disk_directory();
    let path = directory.path().join("data");
    on_shard(small(), move |ring| async move {
        let file = create_direct(&ring, &path).await;
        let (result, _) = ring.write_all_at(&file, block_of(1, 1), 7).await;
        assert_eq!(result.expect_err("position 7 is not aligned").kind(), io::ErrorKind::InvalidInput);
    });
}

/// The submission queue has 8 entries; 2000 operations are queued before the driver runs once.
#[test]
fn nothing_is_lost_when_the_submission_queue_is_full() {
    const WRITES: usize = 1000;
    let directory = disk_directory();
    let path = directory.path().join("data");
    on_shard(small(), move |ring| async move {
        let file = create_direct(&ring, &path).await;
        ring.fallocate(&file, 0, 0, (WRITES * BLOCK) as u64).await.expect("fallocate");
        let writes: Vec<_> = (0..WRITES)
            .map(|index| {
                let (ring, file) = (ring.clone(), file.clone());
                spawn(async move {
                    let method = if index % 2 == 0 { SyncMethod::LinkedFsync } else { SyncMethod::Dsync };
                    let buf = block_of(index as u8, 1);
                    ring.write_at_durable(&file, buf, (index * BLOCK) as u64, method).await.0
                })
            })
            .collect();
        for write in writes {
            write.await.expect("every write is durable");
        }
        let (read, buf) = ring.read_exact_at(&file, AlignedBuf::zeroed(WRITES * BLOCK), 0, WRITES * BLOCK).await;
        assert_eq!(read.expect("the read works"), WRITES * BLOCK);
        assert!(buf.chunks(BLOCK).enumerate().all(|(index, block)| block.iter().all(|byte| *byte == index as u8)));
    });
}

#[test]
fn a_file_is_closed_when_its_last_handle_is_gone() {
    let directory = disk_directory();
    let path = directory.path().join("data");
    on_shard(small(), move |ring| async move {
        let file = create_direct(&ring, &path).await;
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let other = file.clone();
        ring.close(file);
        assert!(std::fs::read_link(&link).is_ok_and(|target| target == path));
        drop(other);
        until(&ring, || std::fs::read_link(&link).map_or(true, |target| target != path)).await;
    });
}

#[test]
fn what_lies_in_several_places_is_written_back_to_back() {
    let directory = disk_directory();
    let path = directory.path().join("data");
    on_shard(small(), move |ring| async move {
        let file = create_direct(&ring, &path).await;
        let whole = |byte, blocks| {
            let buf = block_of(byte, blocks);
            let len = buf.len();
            Chunk::sealed(buf).slice(0..len).expect("all of it")
        };
        let spans = vec![whole(1, 1), whole(2, 3), whole(3, 2)];
        ring.write_spans_at(&file, spans, BLOCK as u64).await.expect("the write is whole");
        let (read, buf) = ring.read_exact_at(&file, block_of(9, 7), 0, 7 * BLOCK).await;
        assert_eq!(read.expect("the read works"), 7 * BLOCK);
        let blocks: Vec<u8> = buf.chunks(BLOCK).map(|block| block[BLOCK - 1]).collect();
        assert_eq!(blocks, [0, 1, 2, 2, 2, 3, 3]);
        let too_many = vec![whole(1, 1); WRITE_SPANS_MAX + 1];
        let error = ring.write_spans_at(&file, too_many, 0).await.expect_err("the kernel takes no more");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    });
}
