//! The life of a fetch session, step by step.

use super::*;

const ID: SessionId = SessionId(7);
const QUIET: Told = Told { high_watermark: 5, log_start: 0, has_records: false, has_error: false };

#[expect(clippy::disallowed_methods, reason = "an origin for the tests' own time")]
fn origin() -> Instant {
    Instant::now()
}

fn key(index: i32) -> PartitionKey {
    PartitionKey { topic: TopicKey::Name("t".into()), index }
}

fn wanted(fetch_offset: i64) -> Wanted {
    Wanted { fetch_offset, bytes_max: 1000, current_leader_epoch: -1 }
}

fn open(sessions: &mut FetchSessions, now: Instant, id: SessionId, partitions: i32) -> Option<SessionId> {
    let partitions: Vec<_> = (0..partitions).map(|index| (key(index), wanted(0), QUIET)).collect();
    sessions.open(now, id, false, partitions.into_iter())
}

fn indexes(resumed: Resumed) -> Vec<i32> {
    let Resumed::Incremental(partitions) = resumed else { panic!("the session is gone") };
    partitions.into_iter().map(|(key, _)| key.index).collect()
}

#[test]
fn a_session_remembers_its_partitions_and_takes_changes() {
    let (mut sessions, now) = (FetchSessions::default(), origin());
    assert_eq!(open(&mut sessions, now, ID, 3), Some(ID));
    assert_eq!(indexes(sessions.resume(now, (ID, 1), false, vec![], &[]).unwrap()), [0, 1, 2]);
    let changed = sessions.resume(now, (ID, 2), false, vec![(key(1), wanted(9)), (key(8), wanted(1))], &[key(0)]);
    let Ok(Resumed::Incremental(partitions)) = changed else { panic!("the session is gone") };
    assert_eq!(partitions, [(key(1), wanted(9)), (key(2), wanted(0)), (key(8), wanted(1))]);
}

#[test]
fn an_answer_leaves_out_what_has_not_changed() {
    let (mut sessions, now) = (FetchSessions::default(), origin());
    open(&mut sessions, now, ID, 4);
    sessions.resume(now, (ID, 1), false, vec![], &[]).unwrap();
    let told = [
        (key(0), QUIET),
        (key(1), Told { has_records: true, high_watermark: 6, ..QUIET }),
        (key(2), Told { high_watermark: 6, ..QUIET }),
        (key(3), Told { has_error: true, high_watermark: -1, log_start: -1, ..QUIET }),
    ];
    let news = sessions.answer((ID, 1), told.iter().map(|(key, told)| (key, *told))).unwrap();
    assert_eq!(news, [false, true, true, true]);
    // Who got records is served last, and an error that is over is told.
    assert_eq!(indexes(sessions.resume(now, (ID, 2), false, vec![], &[]).unwrap()), [0, 2, 3, 1]);
    let news = sessions.answer((ID, 2), [(&key(3), QUIET), (&key(2), told[2].1)].into_iter()).unwrap();
    assert_eq!(news, [true, false]);
}

#[test]
fn requests_out_of_their_order_are_refused_and_the_session_stays() {
    let (mut sessions, now) = (FetchSessions::default(), origin());
    open(&mut sessions, now, ID, 1);
    assert_eq!(sessions.resume(now, (SessionId(8), 1), false, vec![], &[]), Err(SessionFault::Unknown));
    assert_eq!(sessions.resume(now, (ID, 2), false, vec![], &[]), Err(SessionFault::WrongEpoch));
    assert_eq!(sessions.resume(now, (ID, 1), true, vec![], &[]), Err(SessionFault::OtherKeys));
    assert!(sessions.resume(now, (ID, 1), false, vec![], &[]).is_ok());
    assert!(sessions.resume(now, (ID, 2), false, vec![], &[]).is_ok());
    // The answer to the first request comes after the second request: the client no longer waits for it.
    assert_eq!(sessions.answer((ID, 1), [].into_iter()), Err(SessionFault::WrongEpoch));
}

#[test]
fn a_session_ends_when_it_is_closed_or_empty() {
    let (mut sessions, now) = (FetchSessions::default(), origin());
    open(&mut sessions, now, ID, 1);
    assert_eq!(sessions.resume(now, (ID, 1), false, vec![], &[key(0)]), Ok(Resumed::Emptied));
    open(&mut sessions, now, ID, 1);
    sessions.close(ID);
    assert!(sessions.is_empty() && sessions.by_use.is_empty());
    assert_eq!(sessions.partition_count, 0);
}

#[test]
fn without_room_there_is_no_session_until_one_was_idle_for_long() {
    let (mut sessions, now) = (FetchSessions::default(), origin());
    for id in 1..=SESSIONS_MAX as i32 {
        assert!(open(&mut sessions, now, SessionId(id), 1).is_some());
    }
    let extra = SessionId(1_000_000);
    assert_eq!(open(&mut sessions, now, extra, 1), None);
    let later = now + SESSION_IDLE;
    sessions.resume(later, (SessionId(1), 1), false, vec![], &[]).unwrap();
    assert_eq!(open(&mut sessions, later, extra, 1), Some(extra));
    assert_eq!(sessions.len(), SESSIONS_MAX);
    assert!(sessions.by_id.contains_key(&SessionId(1)), "the one just used stays");
}

#[test]
fn a_session_that_grows_too_large_is_lost() {
    let (mut sessions, now) = (FetchSessions::default(), origin());
    open(&mut sessions, now, ID, 1);
    let many = (0..=SESSION_PARTITIONS_MAX as i32).map(|index| (key(index), wanted(0))).collect();
    assert_eq!(sessions.resume(now, (ID, 1), false, many, &[]), Err(SessionFault::Unknown));
    assert_eq!((sessions.len(), sessions.partition_count), (0, 0));
}

#[test]
fn epochs_go_round_without_ever_being_zero() {
    assert_eq!(next_epoch(1), 2);
    assert_eq!(next_epoch(i32::MAX), 1);
}
