//! Which neighbouring segments become one.

use super::Source;

/// Offsets in a segment differ by less than this, as in Kafka, whose indexes count from the base offset in 32 bits.
const OFFSETS_MAX: i64 = i32::MAX as i64;

/// Puts neighbours together as long as one file of `bytes_max` could hold them if nothing went.
pub fn group(sources: &[Source], bytes_max: u64) -> Vec<Vec<Source>> {
    let mut groups: Vec<Vec<Source>> = Vec::new();
    let mut bytes = 0;
    for source in sources {
        let fits = groups.last().is_some_and(|group| {
            bytes + source.bytes <= bytes_max && source.next_offset.0 - group[0].name.base.0 <= OFFSETS_MAX
        });
        if !fits {
            groups.push(Vec::new());
            bytes = 0;
        }
        bytes += source.bytes;
        groups.last_mut().expect("one was pushed").push(*source);
    }
    groups
}
