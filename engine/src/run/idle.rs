//! Gives back what nobody has used for a while: open files.

use std::rc::Weak;
use std::time::Duration;

use super::Inner;
use crate::limits::OPEN_SEGMENT_IDLE_MS;

/// Looks again and again, as long as the engine is there.
pub(super) async fn keep_closing_files(inner: Weak<Inner>) {
    let Some(ring) = inner.upgrade().map(|inner| inner.ring.clone()) else { return };
    loop {
        ring.sleep(Duration::from_millis(OPEN_SEGMENT_IDLE_MS)).await;
        let Some(inner) = inner.upgrade().filter(|inner| !inner.stopping.get()) else { return };
        inner.segments.close_unused();
    }
}
