//! What a run has seen.

/// How often things came up, so that the test can say what it has tested.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub acknowledged_groups: u64,
    pub busy: u64,
    pub checkpoints: u64,
    pub recycled: u64,
    pub sealed: u64,
    pub logs_dropped: u64,
    pub reads_from_memory: u64,
    pub reads_from_files: u64,
    /// Steps of reads for which everything was there in pieces.
    pub reads_from_pieces: u64,
    pub pieces_read: u64,
    pub pieces_failed: u64,
    /// Reads that began in a file and went on in memory.
    pub reads_from_both: u64,
    pub indexes_read: u64,
    pub indexes_rebuilt: u64,
    pub failures: u64,
    pub checkpoints_damaged: u64,
    pub power_cuts: u64,
    pub kills: u64,
    pub clean_stops: u64,
    pub groups_replayed: u64,
    pub groups_cut: u64,
    pub drops_replayed: u64,
    pub disk_full: u64,
    pub disk_refusals: u64,
    pub disk_cleared: u64,
    /// Files for segments to come: made, kept of segments that went, become a segment's, removed unused.
    pub next_files_made: u64,
    pub next_files_kept: u64,
    pub next_files_taken: u64,
    pub next_files_given_back: u64,
    pub cuts: u64,
    pub segments_removed: u64,
    /// Reads whose records went while they were under way.
    pub reads_cut_off: u64,
    pub leftovers: u64,
    /// Logs that nobody appended to any more and that had given up their memory.
    pub rested: u64,
    /// Copies of the disk that were damaged and did not open.
    pub damage_told: u64,
    /// Copies whose damage looked like a torn write.
    pub damage_doubtful: u64,
    pub damaged_reads_right: u64,
    pub damaged_reads_told: u64,
    /// Logs that a rebuild without checkpoints had to the last record, and others.
    pub rebuilt_whole: u64,
    pub rebuilt_in_part: u64,
    /// Producers that these logs know without a checkpoint.
    pub producers_rebuilt: u64,
    pub segments_marked: u64,
    /// Files in quarantine, whenever somebody looked.
    pub segments_quarantined: u64,
    pub quarantines_full: u64,
    pub stalls: u64,
    pub openings_failed: u64,
    pub reads_failed: u64,
    pub compactions: u64,
    pub compactions_given_up: u64,
    pub segments_replaced: u64,
    pub reads_replanned: u64,
    pub duplicates: u64,
    pub out_of_sequence: u64,
    pub writes_lost: u64,
    pub writes_astray: u64,
    /// Reads that ended as corrupt where the disk had lied.
    pub lies_told: u64,
    /// Compactions that met such a segment.
    pub lies_uncompacted: u64,
    pub lies_scrubbed: u64,
    /// Starts refused, each the end of a world.
    pub lies_refused: u64,
    /// Starts without acknowledged groups that looked torn, each the end of a world.
    pub lies_doubtful: u64,
    /// Damage that nobody can see. It is rare: no test waits for it.
    pub lies_unseen: u64,
}

impl Counts {
    pub fn add(&mut self, more: Counts) {
        let pairs = self.each().into_iter().zip(more.each_copied());
        pairs.for_each(|((_, count), more)| *count += more);
        self.lies_unseen += more.lies_unseen;
    }

    pub fn each(&mut self) -> Vec<(&'static str, &mut u64)> {
        vec![
            ("groups acknowledged", &mut self.acknowledged_groups),
            ("appends refused as busy", &mut self.busy),
            ("checkpoints", &mut self.checkpoints),
            ("journal files recycled", &mut self.recycled),
            ("segments sealed", &mut self.sealed),
            ("logs dropped", &mut self.logs_dropped),
            ("reads from memory", &mut self.reads_from_memory),
            ("reads from files", &mut self.reads_from_files),
            ("reads from pieces", &mut self.reads_from_pieces),
            ("pieces read", &mut self.pieces_read),
            ("pieces that could not be read", &mut self.pieces_failed),
            ("reads from both", &mut self.reads_from_both),
            ("indexes read", &mut self.indexes_read),
            ("indexes made anew", &mut self.indexes_rebuilt),
            ("failed calls", &mut self.failures),
            ("checkpoints damaged", &mut self.checkpoints_damaged),
            ("power cuts", &mut self.power_cuts),
            ("kills", &mut self.kills),
            ("clean stops", &mut self.clean_stops),
            ("groups replayed", &mut self.groups_replayed),
            ("groups cut", &mut self.groups_cut),
            ("deletions replayed", &mut self.drops_replayed),
            ("appends refused on a full disk", &mut self.disk_full),
            ("effects that found no space", &mut self.disk_refusals),
            ("times that space returned", &mut self.disk_cleared),
            ("files made for segments to come", &mut self.next_files_made),
            ("files kept for segments to come", &mut self.next_files_kept),
            ("files that became a segment's", &mut self.next_files_taken),
            ("files for segments to come removed unused", &mut self.next_files_given_back),
            ("starts moved", &mut self.cuts),
            ("segments removed", &mut self.segments_removed),
            ("reads cut off", &mut self.reads_cut_off),
            ("segments left over by a crash", &mut self.leftovers),
            ("logs at rest", &mut self.rested),
            ("damaged disks refused", &mut self.damage_told),
            ("damaged disks that look torn", &mut self.damage_doubtful),
            ("reads of damaged disks that were right", &mut self.damaged_reads_right),
            ("reads of damaged disks that were refused", &mut self.damaged_reads_told),
            ("logs rebuilt without checkpoints, whole", &mut self.rebuilt_whole),
            ("logs rebuilt without checkpoints, in part", &mut self.rebuilt_in_part),
            ("producers of logs that were rebuilt whole", &mut self.producers_rebuilt),
            ("segments marked as damaged", &mut self.segments_marked),
            ("damaged segments in quarantine", &mut self.segments_quarantined),
            ("damaged segments that found no room there", &mut self.quarantines_full),
            ("steps in which a slow disk did nothing", &mut self.stalls),
            ("openings that could not read a file", &mut self.openings_failed),
            ("reads that failed", &mut self.reads_failed),
            ("rounds of compaction", &mut self.compactions),
            ("rounds of compaction given up", &mut self.compactions_given_up),
            ("segments replaced", &mut self.segments_replaced),
            ("reads of replaced segments begun anew", &mut self.reads_replanned),
            ("batches sent again and known", &mut self.duplicates),
            ("batches refused for their sequence", &mut self.out_of_sequence),
            ("writes that were lost", &mut self.writes_lost),
            ("writes that went astray", &mut self.writes_astray),
            ("reads refused because of them", &mut self.lies_told),
            ("rounds of compaction given up because of them", &mut self.lies_uncompacted),
            ("segments that the scrub found", &mut self.lies_scrubbed),
            ("starts refused because of them", &mut self.lies_refused),
            ("starts that took them for torn writes", &mut self.lies_doubtful),
        ]
    }

    fn each_copied(mut self) -> Vec<u64> {
        self.each().into_iter().map(|(_, count)| *count).collect()
    }
}
