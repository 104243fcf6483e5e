//! Tests of the shared-memory types.

use std::thread;

use super::{AlignedBuf, BUF_ALIGN_BYTES, BufPool, Chunk, ChunkWriter, Leaving, POOLED_BYTES_MAX};

#[test]
fn a_buffer_is_aligned_zeroed_and_as_long_as_asked() {
    for len in [0, 1, 4095, 4096, 4097, 1 << 20] {
        let buf = AlignedBuf::zeroed(len);
        assert_eq!(buf.len(), len);
        assert_eq!(buf.as_ptr() as usize % BUF_ALIGN_BYTES, 0);
        assert_eq!(buf.capacity() % BUF_ALIGN_BYTES, 0);
        assert!(buf.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_dropped_buffer_is_reused_and_both_sums_follow() {
    let pool = BufPool::new(1 << 20);
    let mut first = pool.take(10_000);
    first[9_999] = 7;
    let address = first.as_ptr();
    assert_eq!((pool.outstanding_bytes(), pool.free_bytes()), (16 << 10, 0));
    drop(first);
    assert_eq!((pool.outstanding_bytes(), pool.free_bytes()), (0, 16 << 10));
    let second = pool.take(12_000);
    assert_eq!(second.as_ptr(), address);
    assert_eq!(second[9_999], 7, "a reused buffer is not cleared: clearing would cost as much as it saves");
}

#[test]
fn a_pool_keeps_no_more_free_bytes_than_its_bound() {
    let pool = BufPool::new(64 << 10);
    let taken: Vec<_> = (0..100).map(|_| pool.take(16 << 10)).collect();
    assert_eq!(pool.outstanding_bytes(), 100 * (16 << 10));
    drop(taken);
    assert_eq!(pool.free_bytes(), 64 << 10);
    assert_eq!(pool.outstanding_bytes(), 0);
}

#[test]
fn a_buffer_above_the_largest_class_is_counted_but_not_kept() {
    let pool = BufPool::new(1 << 30);
    let big = pool.take(POOLED_BYTES_MAX + 1);
    assert_eq!(pool.outstanding_bytes(), POOLED_BYTES_MAX + BUF_ALIGN_BYTES);
    drop(big);
    assert_eq!((pool.outstanding_bytes(), pool.free_bytes()), (0, 0));
}

#[test]
fn buffers_dropped_on_another_thread_come_home() {
    let pool = BufPool::new(1 << 20);
    let bufs: Vec<_> = (0..8).map(|_| pool.take(4096)).collect();
    thread::spawn(move || drop(bufs)).join().expect("the thread only drops buffers");
    assert_eq!((pool.outstanding_bytes(), pool.free_bytes()), (0, 8 * 4096));
}

#[test]
fn spans_reach_only_what_is_published() {
    let mut writer = ChunkWriter::new(AlignedBuf::zeroed(100));
    let chunk = writer.share();
    assert!(chunk.slice(0..1).is_none());
    let range = writer.append(b"hello world");
    assert_eq!(range, 0..11);
    let span = chunk.slice(range).expect("published");
    assert_eq!(&span[..], b"hello world");
    assert_eq!(&span.slice(6..11).expect("within")[..], b"world");
    assert!(span.slice(6..12).is_none());
    assert!(chunk.slice(0..12).is_none());
    #[expect(clippy::reversed_empty_ranges, reason = "the point of the test")]
    let backwards = chunk.slice(5..4);
    assert!(backwards.is_none());
    assert_eq!((writer.len(), writer.remaining(), writer.capacity()), (11, 89, 100));
}

#[test]
fn append_with_publishes_only_what_was_written() {
    let mut writer = ChunkWriter::new(AlignedBuf::zeroed(16));
    let range = writer.append_with(16, |tail| {
        tail[..3].copy_from_slice(b"abc");
        3
    });
    assert_eq!(range, 0..3);
    assert_eq!(&writer.span(0..3)[..], b"abc");
    assert_eq!(writer.remaining(), 13);
}

#[test]
#[should_panic(expected = "do not fit")]
fn appending_beyond_the_capacity_panics() {
    let mut writer = ChunkWriter::new(AlignedBuf::zeroed(4));
    writer.append(b"12345");
}

#[test]
fn a_sealed_chunk_is_published_whole() {
    let mut buf = AlignedBuf::zeroed(10);
    buf.copy_from_slice(b"0123456789");
    let chunk = Chunk::sealed(buf);
    assert_eq!(&chunk.slice(2..5).expect("published")[..], b"234");
    assert!(chunk.slice(2..11).is_none());
}

#[test]
fn the_last_span_returns_the_memory_to_the_pool() {
    let pool = BufPool::new(1 << 20);
    let mut writer = ChunkWriter::new(pool.take(4096));
    writer.append(b"x");
    let span = writer.span(0..1);
    drop(writer);
    assert_eq!(pool.free_bytes(), 0);
    drop(span);
    assert_eq!(pool.free_bytes(), 4096);
}

/// A reader on another thread sees every byte below the published length complete, however the two interleave.
#[test]
fn a_reader_on_another_thread_never_sees_a_half_written_record() {
    const RECORD_BYTES: usize = 61;
    const RECORDS: usize = 60_000;
    let mut writer = ChunkWriter::new(AlignedBuf::zeroed(RECORD_BYTES * RECORDS));
    let chunk = writer.share();
    let reader = thread::spawn(move || {
        let mut seen = 0;
        while seen < RECORDS {
            let published = chunk.len();
            assert_eq!(published % RECORD_BYTES, 0);
            while (seen + 1) * RECORD_BYTES <= published {
                let at = seen * RECORD_BYTES;
                let span = chunk.slice(at..at + RECORD_BYTES).expect("published");
                assert!(span.iter().all(|byte| *byte == (seen % 251) as u8), "record {seen} is torn");
                seen += 1;
            }
            std::hint::spin_loop();
        }
    });
    for record in 0..RECORDS {
        writer.append(&[(record % 251) as u8; RECORD_BYTES]);
    }
    reader.join().expect("the reader's checks hold");
}

#[test]
fn chunks_that_leave_go_a_few_at_a_time() {
    let pool = BufPool::new(0);
    let mut leaving = Leaving::default();
    (0..5).for_each(|_| leaving.push(16 << 10, Chunk::sealed(pool.take(16 << 10))));
    let mut left = Vec::new();
    while !leaving.is_empty() {
        leaving.let_go(20 << 10);
        left.push(pool.outstanding_bytes() >> 10);
    }
    assert_eq!(left, [48, 16, 0]);
}
