//! Tests of the ring on the real kernel. Each runs on a shard of its own, unpinned, since machines differ in cores.

mod disk;
mod drops;
mod net;
mod time;
mod wake;

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use super::{Ring, RingConfig, spawn_shard};

/// Sizes that are easily exhausted.
fn small() -> RingConfig {
    RingConfig { entries: 8, recv_buffers: 4, recv_buffer_bytes: 4096, poll_before_sleep: Duration::ZERO }
}

/// Longer than any test takes, even on a busy machine. What takes longer hangs.
const TEST_MAX: Duration = Duration::from_secs(60);

/// Runs `main` on a shard and returns what it returns. A panic in `main`, and a hang, fail the test.
fn on_shard<M, F, T>(config: RingConfig, main: M) -> T
where
    M: FnOnce(Ring) -> F + Send + 'static,
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let shard = spawn_shard("test", None, config, main).expect("the shard starts");
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(shard.join()));
    ended.recv_timeout(TEST_MAX).expect("the shard ends in time").expect("the shard ends well")
}

/// Polls a future once and says whether it was ready.
async fn poll_once<F: Future>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Waits until something is true, looking once a millisecond.
async fn until(ring: &Ring, mut holds: impl FnMut() -> bool) {
    while !holds() {
        ring.sleep(Duration::from_millis(1)).await;
    }
}

/// A directory on the disk that holds the sources: the system's temporary directory may be in memory, without direct I/O.
fn disk_directory() -> tempfile::TempDir {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Without `..` in it, so that it equals what the kernel says about open files.
    let target = sources.join("../target").canonicalize().unwrap_or_else(|_| sources.to_path_buf());
    tempfile::tempdir_in(target).expect("a temporary directory")
}
