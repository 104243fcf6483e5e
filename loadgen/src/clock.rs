//! SHELL: the only clocks of the generator. Times are nanoseconds of the monotonic clock, one for all threads.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// The monotonic clock.
pub(crate) fn now_ns() -> u64 {
    ns(clock_gettime(ClockId::Monotonic))
}

/// Blocks the calling thread, which must not have anything in flight.
pub(crate) fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "there is nothing else to do before the run")]
    std::thread::sleep(time);
}

/// What to add to monotonic nanoseconds to get those of the Unix epoch.
pub(crate) fn wall_offset_ns() -> i64 {
    ns(clock_gettime(ClockId::Realtime)) as i64 - now_ns() as i64
}

/// The CPU time that this thread has used.
pub(crate) fn thread_cpu_ns() -> u64 {
    ns(clock_gettime(ClockId::ThreadCPUTime))
}

fn ns(time: Timespec) -> u64 {
    time.tv_sec as u64 * SECOND_NS + time.tv_nsec as u64
}
