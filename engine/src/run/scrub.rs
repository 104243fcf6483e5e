//! The scrub at work: reads what it asks for when the shard has nothing else to do, and tells what is damaged. One such task runs
//! on a shard.

use std::rc::{Rc, Weak};
use std::time::Duration;

use super::Inner;
use super::recovery::random_salt;
use super::{damage, index};
use crate::limits::SCRUB_FIRST_MS;
use crate::ring;
use crate::store::scrub::{Damage, Look, Scrub, Stretch};

/// Starts the scrub, unless the configuration wants none.
pub(super) fn start(inner: &Rc<Inner>) {
    if inner.config.scrub_bytes_per_s > 0 {
        let scrub = Scrub::new(inner.config.scrub_bytes_per_s, random_salt());
        ring::spawn(keep(Rc::downgrade(inner), scrub));
    }
}

/// Looks as long as the engine is there.
async fn keep(inner: Weak<Inner>, mut scrub: Scrub) {
    let Some(ring) = inner.upgrade().map(|inner| inner.ring.clone()) else { return };
    let mut wait_ms = SCRUB_FIRST_MS;
    loop {
        ring.sleep(Duration::from_millis(wait_ms)).await;
        let Some(inner) = inner.upgrade().filter(|inner| !inner.stopping.get()) else { return };
        let is_busy = inner.calls.replace(0) > 0 || !inner.store.borrow().is_quiet();
        if is_busy {
            scrub.on_busy(inner.now_ms());
        }
        let look = scrub.next(&inner.store.borrow(), inner.now_ms());
        wait_ms = match look {
            Look::Wait { ms } => ms,
            Look::Read(stretch) => {
                let damage = look_at(&inner, &mut scrub, stretch).await;
                if let Some(damage) = damage {
                    tell(&inner, &damage);
                }
                0
            }
        };
        let (bytes, passes) = scrub.counts();
        inner.count(|stats| (stats.scrubbed_bytes, stats.scrub_passes) = (bytes, passes));
    }
}

async fn look_at(inner: &Rc<Inner>, scrub: &mut Scrub, stretch: Stretch) -> Option<Damage> {
    if stretch.position == 0 {
        // As a reader would: an index that cannot be used is told and made anew, and what keeps it from being so is told as well.
        let _ = index::read(inner, stretch.log, stretch.segment).await;
    }
    let read = inner.segments.read(stretch.log, stretch.segment, stretch.position, stretch.end).await;
    let store = inner.store.borrow();
    match read {
        Ok((buf, start, filled)) => {
            let bytes = buf.get(start..filled).unwrap_or_default();
            scrub.on_bytes(&store, stretch, bytes, inner.now_ms())
        }
        Err(error) => scrub.on_unreadable(&store, stretch, error.to_string(), inner.now_ms()),
    }
}

fn tell(inner: &Rc<Inner>, damage: &Damage) {
    let Damage { log, segment, position, what } = damage;
    let path = inner.layout.segment(*log, *segment);
    let file = path.display();
    tracing::error!(shard = inner.config.shard, %log, %file, position, "a sealed segment is not as it was written: {what}");
    damage::mark(inner, *log, *segment, format!("at {position}: {what}"));
    inner.count(|stats| stats.damaged_segments += 1);
    if let Some(observer) = inner.damage_observer.borrow_mut().as_mut() {
        observer(damage);
    }
}
