//! The limits of one ring, each with its reason.

use std::time::Duration;

/// Operations that the kernel may hold at once, per ring. One more is refused with `EBUSY` and gives its buffers back.
/// A connection keeps at most two in flight, so this is far above what the connection limit can ask for.
pub const OPS_IN_FLIGHT_MAX: usize = 1 << 16;

/// Entries of the completion queue. What exceeds it waits in the kernel and is fetched on the next turn, not lost.
pub const COMPLETION_ENTRIES: u32 = 4096;

/// Completions taken from the queue in one go, before the tasks they belong to are woken.
pub(super) const REAP_BATCH: usize = 64;

/// Longest sleep of an idle shard. Nothing depends on it: every wake-up arrives on the ring. It bounds the damage should
/// a task have been made runnable past [`super::spawn`], by glommio itself.
pub const SLEEP_MAX: Duration = Duration::from_millis(50);

/// Period of the glommio timer that gets the executor out of a park it should not have entered (see the module's text).
pub const EXECUTOR_HEARTBEAT: Duration = Duration::from_millis(5);

/// Segments of one `sendmsg`, as the kernel's `UIO_MAXIOV` demands.
pub const SEND_SEGMENTS_MAX: usize = 1024;

/// Bytes of one `sendmsg`; its result is a signed 32-bit number.
pub const SEND_BYTES_MAX: usize = 1 << 30;

/// Bytes of one disk operation, for the same reason, in whole blocks.
pub const DISK_BYTES_MAX: usize = 1 << 30;

/// Buffers of one write; the kernel takes no more.
pub const WRITE_SPANS_MAX: usize = 1024;

/// Most buffers of the receive ring; the kernel's own limit.
pub const RECV_BUFFERS_MAX: u16 = 1 << 15;

/// Timers that were dropped before they fired are swept out once they are this many and the majority.
pub(super) const STALE_TIMERS_MIN: usize = 1024;

/// How long a ring that is dropped waits for the kernel to let go of its buffers. What is still held then is leaked:
/// leaking is safe, freeing would let the kernel write into somebody else's memory.
pub const DROP_WAIT_MAX: Duration = Duration::from_millis(1000);

const _: () = assert!(OPS_IN_FLIGHT_MAX < u32::MAX as usize, "slot numbers are 32 bits");
const _: () = assert!(DISK_BYTES_MAX <= i32::MAX as usize && SEND_BYTES_MAX <= i32::MAX as usize);
