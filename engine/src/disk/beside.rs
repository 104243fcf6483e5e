//! SHELL: long computations beside a shard, which goes on meanwhile.

use std::io;
use std::thread;
use std::time::Duration;

use crate::ring::Ring;

/// How often it is looked whether the work is done.
const LOOK: Duration = Duration::from_millis(2);

/// The niceness of the thread. It inherits the shard's core, where the shard comes first.
const NICENESS: libc::c_int = 10;

/// Runs `work` on a thread of its own and waits for its result without keeping the shard from anything.
pub async fn compute<T: Send + 'static>(ring: &Ring, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let thread = thread::Builder::new().name("beside".to_owned()).spawn(move || {
        give_way();
        work()
    })?;
    while !thread.is_finished() {
        ring.sleep(LOOK).await;
    }
    Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

fn give_way() {
    // SAFETY: the call takes no pointers; 0 means the calling thread.
    let lowered = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
    debug_assert_eq!(lowered, 0, "a thread may always give way");
}
