//! Futures and shards that are dropped while the kernel is at work.

use std::os::fd::{FromRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::net::connected;
use super::{disk_directory, on_shard, poll_once, small, until};
use crate::memory::{AlignedBuf, BufPool};
use crate::ring::{DirectFile, Part, Ring, RingConfig, spawn};

const BLOCK: usize = 4096;

async fn data_file(ring: &Ring, path: &std::path::Path) -> DirectFile {
    let file = ring.open(path, libc::O_RDWR | libc::O_CREAT | libc::O_DIRECT, 0o600).await.expect("it opens");
    ring.write_all_at(&file, AlignedBuf::zeroed(64 * BLOCK), 0).await.0.expect("the file is filled");
    file
}

/// The pool's sum tells whether the buffer was freed: it must still be out when the future is gone, and come home with the
/// completion.
#[test]
fn a_read_dropped_in_flight_keeps_its_buffer_until_the_kernel_is_done() {
    let directory = disk_directory();
    let path = directory.path().join("data");
    on_shard(small(), move |ring| async move {
        let file = data_file(&ring, &path).await;
        let pool = BufPool::new(1 << 20);
        for round in 0..50 {
            let mut read = Box::pin(ring.read_exact_at(&file, pool.take(64 * BLOCK), 0, 64 * BLOCK));
            assert!(poll_once(&mut read).await.is_none(), "the driver has not run yet");
            drop(read);
            assert_eq!(pool.outstanding_bytes(), 64 * BLOCK, "round {round}");
            until(&ring, || pool.outstanding_bytes() == 0).await;
        }
        assert_eq!(ring.stats().in_flight, 0);
    });
}

#[test]
fn a_write_dropped_in_flight_is_done_all_the_same() {
    let directory = disk_directory();
    let path = directory.path().join("data");
    on_shard(small(), move |ring| async move {
        let file = data_file(&ring, &path).await;
        for index in 0..64 {
            let mut block = AlignedBuf::zeroed(BLOCK);
            block.fill(index as u8 + 1);
            let mut write = Box::pin(ring.write_all_at(&file, block, (index * BLOCK) as u64));
            assert!(poll_once(&mut write).await.is_none());
        }
        until(&ring, || ring.stats().in_flight == 0).await;
        let (read, buf) = ring.read_exact_at(&file, AlignedBuf::zeroed(64 * BLOCK), 0, 64 * BLOCK).await;
        assert_eq!(read.expect("the read works"), 64 * BLOCK);
        assert!(buf.chunks(BLOCK).enumerate().all(|(index, block)| block.iter().all(|byte| *byte == index as u8 + 1)));
    });
}

/// A send that the peer does not take stays in flight; its bytes are shared, and their count tells who still has them.
#[test]
fn a_send_dropped_in_flight_is_cancelled_and_only_then_frees_its_bytes() {
    on_shard(small(), |ring| async move {
        let (ours, _theirs) = connected(&ring).await;
        let bytes: Arc<[u8]> = vec![7; 64 << 20].into();
        let mut send = Box::pin(ours.send_all(vec![Part::Bytes(Arc::clone(&bytes))]));
        assert!(poll_once(&mut send).await.is_none());
        ring.sleep(Duration::from_millis(20)).await;
        assert!(poll_once(&mut send).await.is_none(), "64 MiB do not fit into the socket");
        drop(send);
        assert_eq!(Arc::strong_count(&bytes), 2, "the kernel may still read them");
        until(&ring, || Arc::strong_count(&bytes) == 1).await;
    });
}

#[test]
fn receives_dropped_in_flight_leak_no_buffer() {
    on_shard(small(), |ring| async move {
        let (ours, theirs) = connected(&ring).await;
        for round in 0..100 {
            let mut recv = Box::pin(ours.recv_provided());
            assert!(poll_once(&mut recv).await.is_none());
            if round % 2 == 0 {
                // Half of them have picked a buffer by the time they are dropped.
                theirs.send_all(vec![vec![1_u8; 10].into()]).await.0.expect("the send works");
                ring.sleep(Duration::from_millis(1)).await;
            }
            drop(recv);
        }
        until(&ring, || ring.stats().in_flight == 0).await;
        assert_eq!(ring.shared.buffers.lent(), 0);
        theirs.send_all(vec![vec![2_u8; 10].into()]).await.0.expect("the send works");
        let chunk = ours.recv_provided().await.expect("the connection still works");
        assert_eq!(chunk.last(), Some(&2));
    });
}

#[test]
fn a_receive_that_timed_out_leaves_the_connection_usable() {
    on_shard(small(), |ring| async move {
        let (ours, theirs) = connected(&ring).await;
        let late = ring.timeout(ours.recv_exact_into(Vec::with_capacity(10), 10), Duration::from_millis(5)).await;
        assert!(late.is_err());
        until(&ring, || ring.stats().in_flight == 0).await;
        theirs.send_all(vec![b"0123456789".to_vec().into()]).await.0.expect("the send works");
        let (count, bytes) = ours.recv_exact_into(Vec::with_capacity(10), 10).await;
        assert_eq!((count.expect("it works"), &bytes[..]), (10, &b"0123456789"[..]));
    });
}

/// An open that nobody waits for any more must not leave a descriptor behind.
#[test]
fn an_open_dropped_in_flight_is_closed() {
    let directory = disk_directory();
    let path = directory.path().join("data");
    on_shard(small(), move |ring| async move {
        std::fs::write(&path, b"x").expect("the file is made");
        let open_count = || {
            let fds = std::fs::read_dir("/proc/self/fd").expect("it is there");
            fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()).filter(|target| *target == path).count()
        };
        for _ in 0..20 {
            let mut open = Box::pin(ring.open(&path, libc::O_RDONLY, 0));
            assert!(poll_once(&mut open).await.is_none());
        }
        until(&ring, || ring.stats().in_flight == 0 && open_count() == 0).await;
    });
}

/// Tasks that wait for ever must not keep a shard from ending, and what they hold must be given back.
#[test]
fn a_shard_ends_although_tasks_still_wait_on_sockets() {
    let held = on_shard(small(), |ring| async move {
        let (ours, theirs) = connected(&ring).await;
        let held = Arc::new(());
        for socket in [ours, theirs] {
            let held = Arc::clone(&held);
            spawn(async move {
                let end = socket.recv_provided().await.expect_err("the ring is shut down");
                assert_eq!(end.raw_os_error(), Some(libc::ECANCELED));
                drop(held);
            });
        }
        let listener = ring.listen(([127, 0, 0, 1], 0).into(), 16).expect("listening works");
        let also_held = Arc::clone(&held);
        let sleeper = ring.clone();
        spawn(async move {
            assert!(listener.accept().await.is_err());
            sleeper.sleep(Duration::from_secs(3600)).await;
            drop(also_held);
        });
        ring.sleep(Duration::from_millis(5)).await;
        held
    });
    assert_eq!(Arc::strong_count(&held), 1, "the tasks were dropped with the shard");
}

/// A disk operation that outlives its ring: a read of a pipe that nobody writes, never cancelled. The ring waits a bounded time
/// and then leaks the buffer rather than freeing it under the kernel.
#[test]
fn a_ring_dropped_with_a_read_in_flight_leaks_the_buffer() {
    let pool = BufPool::new(1 << 20);
    let ring = Ring::new(RingConfig { recv_buffers: 1, ..small() }).expect("the ring is made");
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors.
    assert_eq!(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }, 0);
    // SAFETY: both descriptors are fresh and nobody else owns them.
    let [read, write] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let file = ring.adopt_file(read);
    let mut waiting = Box::pin(ring.read_exact_at(&file, pool.take(BLOCK), 0, BLOCK));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    ring.shared.turn();
    drop(waiting);
    drop(file);
    assert_eq!(Rc::strong_count(&ring.shared), 1);
    drop(ring);
    assert_eq!(pool.outstanding_bytes(), BLOCK, "leaked, not freed");
    drop(write);
}
