//! Starting a shard: a pinned glommio executor with a ring and its driver.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Context, Poll};

use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};

use super::driver::{counted, drive, yield_now};
use super::limits::EXECUTOR_HEARTBEAT;
use super::{Ring, RingConfig, RingWaker};

/// Memory that the executor registers for its own file I/O, in bytes. We use none of it; this is about its least.
const EXECUTOR_IO_BYTES: usize = 64 << 10;

/// Passes over the task queue at a shard's end: the longest chain of tasks, each waiting for the one before, that is dropped.
const DROP_PASSES: usize = 64;

/// A running shard.
pub struct ShardHandle<T: Send + 'static> {
    /// The output is missing only where the ring could not be made, and then there is no handle.
    thread: ExecutorJoinHandle<Option<T>>,
    waker: RingWaker,
}

impl<T: Send + 'static> ShardHandle<T> {
    /// Wakes the shard's driver.
    pub fn waker(&self) -> RingWaker {
        self.waker.clone()
    }

    /// Waits for the shard's end. An error is a panic on the shard's thread.
    pub fn join(self) -> io::Result<T> {
        let output = self.thread.join();
        let output = output.map_err(|error| io::Error::other(format!("the shard's thread ended badly: {error}")))?;
        Ok(output.expect("a shard that started has run its main future"))
    }
}

/// Starts a thread, pinned to `core` if one is given, with a ring whose driver runs, and runs `main` on it.
///
/// Returns when the ring works or could not be made. When `main` is over the ring is shut down: socket operations of the tasks
/// that are left end with `ECANCELED`, disk operations run to their end, then the tasks are dropped and the thread ends.
pub fn spawn_shard<M, F, T>(name: &str, core: Option<usize>, config: RingConfig, main: M) -> io::Result<ShardHandle<T>>
where
    M: FnOnce(Ring) -> F + Send + 'static,
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let (started, start) = mpsc::channel();
    let placement = core.map_or(Placement::Unbound, Placement::Fixed);
    let thread = LocalExecutorBuilder::new(placement)
        .name(name)
        .io_memory(EXECUTOR_IO_BYTES)
        .spawn(move || async move {
            warm_up().await;
            let ring = match Ring::new(config) {
                Ok(ring) => ring,
                Err(error) => {
                    report(&started, Err(error));
                    return None;
                }
            };
            report(&started, Ok(ring.waker()));
            let driver = glommio::spawn_local(drive(Rc::clone(&ring.shared))).detach();
            let heartbeat = glommio::spawn_local(heartbeat());
            let output = counted(main(ring.clone())).await;
            ring.shutdown();
            driver.await;
            heartbeat.cancel().await;
            drop_tasks(&ring).await;
            Some(output)
        })
        .map_err(|error| io::Error::other(format!("the executor {name} did not start: {error}")))?;
    match start.recv() {
        Ok(Ok(waker)) => Ok(ShardHandle { thread, waker }),
        Ok(Err(error)) => Err(error),
        Err(mpsc::RecvError) => Err(io::Error::other(format!("the executor {name} ended while it started"))),
    }
}

/// Starts a task on this shard: it runs after the caller has yielded, never within this call, so a borrow that the caller
/// holds is no danger to it. The handle may be dropped, or awaited for the output.
///
/// # Panics
/// Outside a shard.
pub fn spawn<F>(future: F) -> Spawned<F::Output>
where
    F: Future + 'static,
{
    // `glommio::spawn_local` would poll the task at once; into a queue, even the running one, it only schedules it.
    let queue = glommio::executor().current_task_queue();
    let task = glommio::spawn_local_into(counted(future), queue).expect("the queue of the running task exists");
    Spawned { handle: task.detach() }
}

/// The output of a task to come. Dropping it does not stop the task.
pub struct Spawned<T> {
    handle: glommio::task::JoinHandle<T>,
}

impl<T> Future for Spawned<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let output = Pin::new(&mut self.handle).poll(cx);
        output.map(|output| output.expect("tasks are not cancelled one by one"))
    }
}

/// Drops the tasks that still wait for a timer. Otherwise they would keep themselves alive for ever, with all their files: the
/// task holds the ring, the ring's timer holds the task's waker, and the waker holds the task. An executor that ends drops none.
///
/// A task whose last waker goes is put into the queue once more, to be dropped there, which may free others in turn.
async fn drop_tasks(ring: &Ring) {
    let wakers = ring.shared.timers.borrow_mut().disarm();
    drop(wakers);
    for _ in 0..DROP_PASSES {
        yield_now().await;
    }
}

/// glommio prepares its cross-thread wake-ups at its first sleep, which took up to 28 ms here: before anything is served.
async fn warm_up() {
    executor_sleep().await;
}

/// Gets glommio out of a park it entered although the driver was ready (its preempt timer firing at one certain moment).
/// While the executor runs, as it nearly always does, this timer is looked at ten times a second and costs nothing.
async fn heartbeat() {
    loop {
        executor_sleep().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "this is about the executor's own timer, which the ring cannot fire")]
async fn executor_sleep() {
    glommio::timer::sleep(EXECUTOR_HEARTBEAT).await;
}

fn report(started: &mpsc::Sender<io::Result<RingWaker>>, result: io::Result<RingWaker>) {
    // The receiver waits in `spawn_shard` until it has heard from us.
    started.send(result).expect("the thread that starts a shard waits for it");
}
