//! Crashes: torn writes, writes that never happened, writes that land late.

use engine::GroupSeq;
use engine::journal::End;

use crate::disk::{Disk, SECTOR_BYTES, Write};
use crate::random::Random;
use crate::writer::{Writer, random_sizes, recover_disk};

const FILES_MAX: u64 = 6;

#[test]
fn a_group_torn_at_any_sector_is_cut_and_nothing_before_it() {
    let mut writer = Writer::new(FILES_MAX);
    let first = writer.write(&[5000]);
    let second = writer.write(&[100, 3000]);
    writer.seal(&[9000, 700]).expect("room");
    let (_, torn) = writer.in_flight.pop().expect("sealed just now");
    let before = writer.disk.clone();
    let sectors = torn.bytes.len() / SECTOR_BYTES;
    assert!(sectors >= 24);
    // Sectors behind the last frame hold only zeros, on a zero-written file as in the group: losing them loses nothing.
    let used = writer.history[2].batches.iter().map(|b| 64 + b.payload.len().next_multiple_of(16)).sum::<usize>() + 80;
    for cut in 0..=sectors {
        for (story, keeps) in [
            ("the start is kept", Box::new(move |i| i < cut) as Box<dyn Fn(usize) -> bool>),
            ("the end is kept", Box::new(move |i| i >= cut)),
            ("one sector is lost", Box::new(move |i| i != cut)),
        ] {
            let mut disk = before.clone();
            disk.write_torn(&torn, &keeps);
            let whole = (0..used.div_ceil(SECTOR_BYTES)).all(&keeps);
            let recovered = recover_disk(&disk, writer.checkpoint);
            let seqs: Vec<GroupSeq> = recovered.groups.iter().map(|group| group.context.seq).collect();
            let expected = if whole { vec![first, second, GroupSeq(3)] } else { vec![first, second] };
            assert_eq!(seqs, expected, "{story}, sector {cut}");
            let end = match (whole, keeps(0)) {
                (true, _) | (false, false) => End::Clean,
                (false, true) => End::TornTail { seq: GroupSeq(3), groups_cut: 1 },
            };
            assert_eq!(recovered.end, end, "{story}, sector {cut}");
            assert!(recovered.chain.next_seq > GroupSeq(3), "the number of a cut group is never given again");
        }
    }
}

#[test]
fn a_whole_group_behind_a_torn_one_was_never_acknowledged_and_is_cut() {
    let mut writer = Writer::new(FILES_MAX);
    let durable = writer.write(&[100]);
    writer.seal(&[5000]).expect("room");
    writer.seal(&[100]).expect("room");
    writer.complete(1);
    assert_eq!(writer.chain.durable_seq(), durable, "acknowledgements go out in order");
    let recovered = writer.recover();
    assert_eq!(recovered.end, End::TornTail { seq: GroupSeq(2), groups_cut: 1 });
    writer.assert_recovered(&recovered, durable, "the hole is above every mark");
    assert_eq!(recovered.chain.last_seq, durable);
}

#[test]
fn a_cut_group_never_comes_back_even_if_its_write_lands_after_recovery() {
    let mut writer = Writer::new(FILES_MAX);
    writer.write(&[100]);
    writer.seal(&[5000]).expect("room");
    writer.seal(&[100]).expect("room");
    let late: Vec<Write> = writer.in_flight.drain(..).map(|(_, write)| write).collect();
    let recovered = writer.recover();
    assert_eq!(recovered.groups.len(), 1);
    writer.restart(&recovered, FILES_MAX);
    let new = writer.write(&[200]);
    late.iter().for_each(|write| writer.disk.write(write));
    let recovered = writer.recover();
    assert_eq!(recovered.end, End::Clean, "groups that an earlier recovery cut are no trace of a torn tail");
    assert_eq!(recovered.chain.last_seq, new);
    writer.assert_recovered(&recovered, new, "the later history wins");
}

#[test]
fn a_group_without_frames_ends_the_doubt_about_the_last_records() {
    let mut writer = Writer::new(FILES_MAX);
    let last = writer.write(&[100]);
    assert!(writer.chain.mark_is_owed());
    writer.write(&[]);
    assert!(!writer.chain.mark_is_owed());
    let group = writer.history[0].clone();
    writer.disk.files.get_mut(&group.file).expect("there")[group.position as usize + 200] ^= 1;
    assert!(matches!(writer.recover().end, End::Corrupt { seq, .. } if seq == last));
}

#[test]
fn no_acknowledged_group_is_lost_over_random_crashes() {
    for seed in 0..400 {
        run_seed(seed);
    }
}

/// Life after life of one shard; each ends in a crash.
fn run_seed(seed: u64) {
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut writer = Writer::new(FILES_MAX);
    for life in 0..1 + random.below(6) {
        for _ in 0..random.below(60) {
            step(&mut writer, &mut random);
        }
        let durable = writer.chain.durable_seq();
        let late = crash(&mut writer.disk, &mut random, std::mem::take(&mut writer.in_flight));
        let recovered = writer.recover();
        let story = format!("seed {seed} life {life}");
        assert!(!matches!(recovered.end, End::Corrupt { .. }), "{story}: {:?}", recovered.end);
        writer.assert_recovered(&recovered, durable, &story);
        let again = writer.recover();
        assert_eq!(again, recovered, "{story}: recovery changes nothing by itself");
        late.iter().for_each(|write| writer.disk.write(write));
        writer.restart(&recovered, FILES_MAX);
        // What recovery replayed is in segments before the shard needs room again; sometimes a checkpoint says so at once.
        if random.one_in(2) {
            writer.write_checkpoint(writer.chain.next_seq());
        }
    }
}

fn step(writer: &mut Writer, random: &mut Random) {
    match random.below(10) {
        0 => {
            let oldest = writer.checkpoint.replay_from.0;
            let newest = writer.chain.durable_seq().next().0;
            let from = oldest.max(oldest + random.below((newest.saturating_sub(oldest) + 1) as usize) as u64);
            writer.write_checkpoint(GroupSeq(from));
        }
        1..=5 if writer.chain.may_seal() => {
            let sizes = if random.one_in(8) { Vec::new() } else { random_sizes(random) };
            if writer.seal(&sizes).is_none() {
                // No room: a checkpoint has to come first.
                writer.write_checkpoint(writer.chain.durable_seq().next());
            }
        }
        _ if !writer.in_flight.is_empty() => {
            let index = random.below(writer.in_flight.len());
            writer.complete(index);
        }
        _ => {}
    }
}

/// Of each write under way everything, nothing or some sectors are on the disk. Gives back those that will land only later,
/// as after a kill of the process alone.
fn crash(disk: &mut Disk, random: &mut Random, in_flight: Vec<(GroupSeq, Write)>) -> Vec<Write> {
    let mut late = Vec::new();
    for (_, write) in in_flight {
        match random.below(4) {
            0 => disk.write(&write),
            1 => late.push(write),
            2 => disk.write_torn(&write, |_| random.one_in(2)),
            _ => {}
        }
    }
    late
}
