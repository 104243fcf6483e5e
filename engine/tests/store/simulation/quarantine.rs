//! Segments that are known to be damaged. Their files are never lost before their logs are deleted, whenever the machine stops.
//!
//! What counts is the mark, and not what is wrong with the file. So the files here are sound, and can be compared with what they held
//! when they were marked, byte for byte.

use engine::{LogId, SegmentName};

use super::Simulation;
use crate::disk::Name;
use crate::model::Fate;
use crate::shell::QUARANTINED_MAX;

impl Simulation {
    /// Somebody finds damage in a segment that was complete when the newest checkpoint was written.
    pub(super) fn mark_damaged(&mut self) {
        let known = self.complete();
        if !known.is_empty() && self.store.failure().is_none() {
            let (log, segment) = known[self.random.below(known.len())];
            self.shell.mark(&mut self.store, log, segment);
        }
    }

    /// Somebody has met a segment that is not as it was written. Seed 447: the file of one that is not complete may go with the power.
    pub(super) fn on_damaged(&mut self, log: LogId, segment: SegmentName) {
        let is_news = !self.told_damaged.contains(&(log, segment)) && self.complete().contains(&(log, segment));
        if is_news && self.store.failure().is_none() {
            self.told_damaged.insert((log, segment));
            self.shell.mark(&mut self.store, log, segment);
        }
    }

    /// The segments that were complete when the newest checkpoint was written.
    fn complete(&self) -> Vec<(LogId, SegmentName)> {
        let Some(saved) = self.shell.sound_checkpoints().pop() else { return Vec::new() };
        let sealed = saved.logs.iter().flat_map(|log| log.segments.iter().map(|segment| (log.log, *segment)));
        sealed
            .filter(|(log, segment)| segment.sealed && self.store.names_segment(*log, segment.name()))
            .map(|(log, segment)| (log, segment.name()))
            .collect()
    }

    /// Some marks are on stable storage now.
    pub(super) fn on_marked(&mut self) {
        for (log, segment) in std::mem::take(&mut self.shell.marked) {
            let bytes = self.store.log(log).and_then(|log| Some(log.segment(segment)?.bytes as usize));
            // It may have gone meanwhile.
            let (Some(bytes), Some(file)) = (bytes, self.shell.disk.meant(Name::Segment(log, segment))) else {
                continue;
            };
            self.marked.entry((log, segment)).or_insert_with(|| file[..bytes.min(file.len())].to_vec());
            self.counts.segments_marked += 1;
        }
    }

    /// Every marked segment is where it was, or in quarantine, with every byte, unless there was no room for it.
    pub(super) fn check_quarantine(&mut self) {
        let kept = self.shell.quarantined();
        assert!(kept <= QUARANTINED_MAX, "{kept} files in quarantine");
        self.counts.segments_quarantined += kept as u64;
        let overflowed = std::mem::take(&mut self.shell.overflowed);
        self.counts.quarantines_full += overflowed.len() as u64;
        let logs = &self.model.logs;
        self.marked.retain(|(log, segment), _| logs[log].fate != Fate::Gone && !overflowed.contains(&(*log, *segment)));
        for ((log, segment), bytes) in &self.marked {
            let names = [Name::Segment(*log, *segment), Name::Quarantined(*log, *segment)];
            let file = names.into_iter().find_map(|name| self.shell.disk.meant(name));
            let file = file.unwrap_or_else(|| panic!("log {log}: {segment} is damaged, and its file is gone"));
            assert!(file.starts_with(bytes), "log {log}: {segment} is damaged, and its file is not whole any more");
        }
    }
}
