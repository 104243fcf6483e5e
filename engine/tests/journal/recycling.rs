//! Files that are used again: old content never counts, whatever step a crash interrupts.

use engine::GroupSeq;
use engine::journal::{End, FileRequest};

use crate::disk::write_header;
use crate::writer::{FILE_BYTES, SHARD, Writer};

/// Three files, the oldest no longer needed, with the request to recycle it outstanding.
fn about_to_recycle() -> (Writer, FileRequest) {
    let mut writer = Writer::new(3);
    for _ in 0..5 {
        writer.write(&[45_000]);
    }
    writer.checkpoint.replay_from = GroupSeq(4);
    writer.checkpoint.durable_seq = GroupSeq(5);
    writer.files.needed_from(GroupSeq(4));
    let request = writer.files.wants_file().expect("a file is free");
    assert!(matches!(request, FileRequest::Recycle { .. }));
    (writer, request)
}

#[test]
fn old_groups_in_a_recycled_file_are_never_taken_for_new() {
    let (mut writer, request) = about_to_recycle();
    writer.disk.prepare(request, FILE_BYTES, SHARD);
    writer.files.on_file_ready(request.file());
    writer.write(&[45_000]);
    let last = writer.write(&[45_000]);
    assert_eq!(writer.history.last().expect("written").file, request.file());
    let scan = engine::journal::scan_file(request.file(), &writer.disk.files[&request.file()]);
    let new: Vec<GroupSeq> = writer.history.iter().filter(|g| g.file == request.file()).map(|g| g.seq).collect();
    assert_eq!(scan.groups.iter().map(|head| head.context.seq).collect::<Vec<_>>(), new);
    assert!(scan.bad.is_empty());
    let recovered = writer.recover();
    assert_eq!(recovered.end, End::Clean);
    writer.assert_recovered(&recovered, last, "new groups count");
}

#[test]
fn a_crash_between_the_steps_of_recycling_loses_nothing() {
    let (writer, request) = about_to_recycle();
    let FileRequest::Recycle { old, new } = request else { unreachable!("asserted above") };
    let renamed = |writer: &Writer| {
        let mut disk = writer.disk.clone();
        let bytes = disk.files.remove(&old).expect("there");
        disk.files.insert(new, bytes);
        disk
    };
    let header_written = |writer: &Writer| {
        let mut disk = writer.disk.clone();
        write_header(disk.files.get_mut(&old).expect("there"), new, FILE_BYTES, SHARD);
        disk
    };
    for (story, disk) in [
        ("nothing was done", writer.disk.clone()),
        ("renamed, the header is old", renamed(&writer)),
        ("the header is new, the rename was lost", header_written(&writer)),
    ] {
        let recovered = crate::writer::recover_disk(&disk, writer.checkpoint);
        assert_eq!(recovered.end, End::Clean, "{story}");
        assert_eq!(recovered.groups.len(), 2, "{story}");
        assert!(recovered.damaged_headers.is_empty(), "{story}");
        let free = recovered.files.iter().filter(|known| known.last_seq.is_none()).count();
        assert_eq!(free, 1, "{story}: the file can be recycled");
    }
}

#[test]
fn a_file_whose_preparation_was_interrupted_is_free_to_use() {
    let (mut writer, _) = about_to_recycle();
    let short = crate::disk::zeros(4096 * 3);
    writer.disk.files.insert(engine::JournalFileId(99 << 32), short);
    let recovered = writer.recover();
    assert_eq!(recovered.end, End::Clean);
    assert!(recovered.damaged_headers.is_empty());
    writer.restart(&recovered, 5);
    assert!(writer.files.place(writer.chain.next_seq(), 4096).is_some());
}
