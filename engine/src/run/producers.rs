//! SHELL: forgets idempotent producers that have been silent for too long, now and then. One such task runs on a shard.

use std::time::Duration;

use super::Engine;
use super::retention::unix_ms;
use crate::limits::PRODUCER_EXPIRY_CHECK_MS;
use crate::ring;

/// Runs until the engine is shut down.
pub(super) async fn keep(engine: Engine) {
    let inner = &engine.inner;
    while !inner.is_ending.get() {
        inner.store.borrow_mut().on_time_of_day(inner.now_ms(), unix_ms());
        for log in engine.logs() {
            inner.store.borrow_mut().expire_producers(log, inner.now_ms());
            ring::yield_now().await;
        }
        let wait = Duration::from_millis(PRODUCER_EXPIRY_CHECK_MS).min(inner.config.producer_expiry);
        // Either way the loop's condition finds out.
        let _ = inner.ring.timeout(inner.ending.notified(), wait).await;
    }
}
