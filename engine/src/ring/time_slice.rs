//! How soon a shard gets its core when it wakes and somebody else is running there.
//!
//! The scheduler lets whoever runs go on until its slice ends, for some milliseconds, unless the one that wakes asks for shorter
//! slices and so has the earlier deadline (EEVDF; slices can be asked for since Linux 6.12, by anybody). A shard works in
//! steps of microseconds and sleeps between them, and a durable acknowledgement takes two wake-ups: of the kernel's worker that
//! syncs, which has the slice of the shard that started it, and of the shard itself. With two niced busy loops beside a node of two
//! shards, the 99th percentile from a record to its consumer was 29 ms without this and 3.4 ms with it.

use std::io;

use super::limits::TIME_SLICE;

const ATTR_BYTES: u32 = size_of::<libc::sched_attr>() as u32;

/// Asks for short slices for the calling thread and the kernel's workers that it will cause. Niceness stays as it is, and a
/// thread that was given a real-time policy is left alone. Older kernels take no notice.
pub(super) fn shorten() -> io::Result<()> {
    let mut attr = read(0)?;
    if attr.sched_policy != libc::SCHED_OTHER as u32 {
        return Ok(());
    }
    attr.sched_runtime = TIME_SLICE.as_nanos() as u64;
    // SAFETY: the kernel reads `size` bytes of the structure and no more.
    let code = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How a thread is scheduled; 0 is the calling one.
fn read(thread: libc::pid_t) -> io::Result<libc::sched_attr> {
    let mut attr = libc::sched_attr {
        size: ATTR_BYTES,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel writes at most as many bytes as it is told, which is the size of the structure.
    let code = unsafe { libc::syscall(libc::SYS_sched_getattr, thread, &raw mut attr, ATTR_BYTES, 0) };
    if code == 0 { Ok(attr) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::ring::{RingConfig, spawn_shard};

    /// Kernels before 6.12 do not tell of slices.
    fn slice_ns(thread: libc::pid_t) -> Option<u64> {
        let attr = read(thread).expect("a thread of this process can be looked at");
        (attr.sched_runtime != 0).then_some(attr.sched_runtime)
    }

    #[test]
    fn a_shard_and_the_kernels_workers_for_it_have_short_slices_and_keep_their_niceness() {
        if slice_ns(0).is_none() {
            return;
        }
        let before = read(0).expect("this thread can be looked at");
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("file");
        let shard = spawn_shard("sliced", None, RingConfig::default(), move |ring| async move {
            let file = ring.open(&path, libc::O_RDWR | libc::O_CREAT, 0o600).await.expect("a file can be made");
            ring.fsync(&file).await.expect("a file can be synced");
            // SAFETY: gettid takes nothing and cannot fail.
            let shard = unsafe { libc::gettid() };
            let own = read(0).expect("this thread can be looked at");
            (own.sched_runtime, own.sched_nice, slices_of_workers(shard))
        });
        let (slice, nice, workers) = shard.expect("a shard starts").join().expect("a shard ends");
        assert_eq!((u128::from(slice), nice), (TIME_SLICE.as_nanos(), before.sched_nice));
        assert!(workers.iter().all(|&worker| worker == slice), "{workers:?}");
    }

    /// The kernel names its workers after the thread that they work for.
    fn slices_of_workers(shard: libc::pid_t) -> Vec<u64> {
        let wanted = format!("iou-wrk-{shard}");
        let threads = fs::read_dir("/proc/self/task").expect("threads can be listed");
        let workers = threads.filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = fs::read_to_string(path.join("comm")).ok()?;
            (name.trim() == wanted).then_some(path)
        });
        workers.filter_map(|path| slice_ns(path.file_name()?.to_str()?.parse().ok()?)).collect()
    }
}
