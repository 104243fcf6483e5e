//! What decoding allocates: little on the hot path, and never more than a multiple of the bytes received, whatever counts
//! they declare. A crate that trusts the count of an array can be made to ask for 155 GB by a frame of 18 bytes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use wire::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use wire::produce::ProduceRequest;
use wire::{Reader, Records};

#[path = "protocol/messages.rs"]
mod messages;
#[path = "protocol/sample.rs"]
mod sample;
#[path = "protocol/sample_structs.rs"]
mod sample_structs;

use messages::for_each_message;
use sample::{Sample, Source};

/// An element takes at most about 19 times its smallest size on the wire (a topic of a fetch request by name), and lists
/// stand up to three deep, each of which may claim all bytes that are left.
const MEMORY_PER_WIRE_BYTE_MAX: usize = 64;

/// Counts what each thread allocates.
struct Counting;

thread_local! {
    static ALLOCATED_BYTES: Cell<usize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed on to the system's allocator as it is; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED_BYTES.set(ALLOCATED_BYTES.get() + layout.size());
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer is from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Bytes and number of the allocations that `work` makes.
fn allocations_of<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let (bytes, count) = (ALLOCATED_BYTES.get(), ALLOCATIONS.get());
    let result = work();
    (result, ALLOCATED_BYTES.get() - bytes, ALLOCATIONS.get() - count)
}

macro_rules! huge_counts {
    ($($test:ident: $module:ident::$name:ident, $key:ident, $versions:expr;)*) => {$(
        /// A message in which, at every place in turn, a huge length or count stands.
        #[test]
        fn $test() {
            let huge: [&[u8]; 4] = [b"\x7f\xff\xff\xff", b"\x00\xff\xff\xff", b"\xff\xff\xff\xff\x07", b"\xff\xff\x03"];
            for version in $versions {
                let mut message = Vec::new();
                let _gaps = wire::$module::$name::sample(&mut Source::new(1)).encode(version, &mut message);
                for at in 0..message.len() {
                    for count in huge {
                        let mut bytes = message.clone();
                        bytes.truncate(at);
                        bytes.extend_from_slice(count);
                        bytes.extend_from_slice(message.get(bytes.len()..).unwrap_or_default());
                        let (_, allocated, _) =
                            allocations_of(|| wire::$module::$name::decode(version, &mut Reader::new(&bytes)).is_ok());
                        assert!(
                            allocated <= MEMORY_PER_WIRE_BYTE_MAX * bytes.len(),
                            "{} version {version}: {allocated} bytes for {} bytes, {count:?} at {at}",
                            stringify!($name),
                            bytes.len(),
                        );
                    }
                }
            }
        }
    )*};
}

for_each_message! { huge_counts }

/// A large frame of the smallest elements there are.
#[test]
fn many_small_elements_cost_a_multiple_of_their_bytes() {
    let mut bytes = b"\xc1\x84\x3d".to_vec();
    bytes.resize(3 + 2 * 1_000_000, 1);
    let (_, allocated, _) =
        allocations_of(|| wire::metadata::MetadataRequest::decode(9, &mut Reader::new(&bytes)).is_ok());
    assert!(allocated <= MEMORY_PER_WIRE_BYTE_MAX * bytes.len(), "{allocated} bytes for {} bytes", bytes.len());
}

#[test]
fn decoding_a_produce_request_allocates_one_list_of_topics_and_one_of_partitions_each() {
    for version in 3..=11 {
        let mut bytes = Vec::new();
        ProduceRequest::sample(&mut Source::new(1)).encode(version, &mut bytes);
        let (request, _, count) = allocations_of(|| ProduceRequest::decode(version, &mut Reader::new(&bytes)).unwrap());
        assert_eq!(request.topic_data.len(), 2);
        assert_eq!(count, 3, "version {version}");
    }
}

#[test]
fn encoding_a_fetch_response_allocates_the_list_of_gaps() {
    let partition = PartitionData { records: Records::OutOfLine(1 << 20), ..Default::default() };
    let topic = FetchableTopicResponse { partitions: vec![partition], ..Default::default() };
    let response = FetchResponse { responses: vec![topic], ..Default::default() };
    for version in 4..=13 {
        let mut out = Vec::with_capacity(1024);
        let (gaps, _, count) = allocations_of(|| response.encode(version, &mut out));
        assert_eq!(gaps.len(), 1);
        assert_eq!(count, 1, "version {version}");
    }
}
