//! Disk operations.

use super::super::{DirectFile, Ring, SyncMethod};
use super::{disk_directory, on_shard, small};
use crate::memory::AlignedBuf;
use std::io;
use std::path::PathBuf;

const BLOCK: usize = 4096;

fn block_of(byte: u8, blocks: usize) -> AlignedBuf {
    let mut buf = AlignedBuf::zeroed(blocks * BLOCK);
    buf.fill(byte);
    buf
}

async fn create_direct(ring: &Ring, path: &PathBuf) -> DirectFile {
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
