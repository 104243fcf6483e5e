//! Tests of the ring on the real kernel. Each runs on a shard of its own, unpinned, since machines differ in cores.

mod disk;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use super::{Ring, RingConfig, spawn_shard};

/// Sizes that are easily exhausted.
fn small() -> RingConfig {
    RingConfig { entries: 8, recv_buffers: 4, recv_buffer_bytes: 4096, poll_before_sleep: Duration::ZERO }
}

/// Runs `main` on a shard and returns what it returns. A panic in `main` fails the test.
fn on_shard<M, F, T>(config: RingConfig, main: M) -> T
where
    M: FnOnce(Ring) -> F + Send + 'static,
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let shard = spawn_shard("test", None, config, main).expect("the shard starts");
    shard.join().expect("the shard ends well")
}

/// A directory on the disk that holds the sources: the system's temporary directory may be in memory, without direct I/O.
fn disk_directory() -> tempfile::TempDir {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let target = if target.is_dir() { target } else { env!("CARGO_MANIFEST_DIR").into() };
    tempfile::tempdir_in(target).expect("a temporary directory")
}
