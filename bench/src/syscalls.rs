//! How many system calls a process makes, by the kernel's own counter of the tracepoint `raw_syscalls:sys_enter`. It needs
//! the right to trace; where that is missing the figure is missing, and nothing else.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::FromRawFd;

const EVENT_IDS: [&str; 2] = [
    "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
    "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
];
const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

/// The first version of the kernel's `perf_event_attr` (include/uapi/linux/perf_event.h), which is all that counting needs.
#[repr(C)]
#[derive(Default)]
struct EventAttributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    config1: u64,
}

/// A counter on every thread that a process has now. Counting costs each call a little, so it is kept for a part of a load.
pub struct Counter {
    threads: Vec<File>,
}

impl Counter {
    /// Begins to count; none where the kernel does not let us.
    pub fn start(pid: u32) -> Option<Counter> {
        let id = EVENT_IDS.iter().find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok())?;
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let threads = tasks.filter_map(|task| open(id, task.ok()?.file_name().to_str()?.parse().ok()?)).collect();
        let counter = Counter { threads };
        (!counter.threads.is_empty()).then_some(counter)
    }

    /// Calls since the start.
    pub fn count(&mut self) -> u64 {
        let mut count = |file: &mut File| {
            let mut bytes = [0; 8];
            file.read_exact(&mut bytes).map_or(0, |()| u64::from_ne_bytes(bytes))
        };
        self.threads.iter_mut().map(&mut count).sum()
    }
}

fn open(id: u64, thread: libc::pid_t) -> Option<File> {
    let attributes = EventAttributes {
        kind: PERF_TYPE_TRACEPOINT,
        size: size_of::<EventAttributes>() as u32,
        config: id,
        ..EventAttributes::default()
    };
    const ANY_CPU: libc::c_int = -1;
    const NO_GROUP: libc::c_int = -1;
    // SAFETY: the attributes are of the size that they name and live over the call; the rest are plain numbers.
    let fd = unsafe {
        libc::syscall(libc::SYS_perf_event_open, &raw const attributes, thread, ANY_CPU, NO_GROUP, PERF_FLAG_FD_CLOEXEC)
    };
    // SAFETY: a descriptor that the kernel has just given to us and that nobody else has.
    (fd >= 0).then(|| unsafe { File::from_raw_fd(fd as libc::c_int) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_our_own_are_counted_where_the_kernel_lets_us() {
        let Some(mut counter) = Counter::start(std::process::id()) else { return };
        let before = counter.count();
        for _ in 0..500 {
            let _ = fs::metadata("/");
        }
        assert!(counter.count() - before >= 500);
    }
}
