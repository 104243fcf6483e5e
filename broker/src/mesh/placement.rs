//! Which shard owns a partition. Pure: the same answer on every shard and after every restart.

use crate::ids::ShardId;

/// The shard that owns partition `partition` of the topic with id `topic`.
///
/// The partitions of one topic go to the shards in turn, so a topic with as many partitions as shards uses every core;
/// the topic's id decides where the row begins, so topics with one partition do not all meet on shard 0.
pub fn owner(topic: u128, partition: u32, shard_count: u16) -> ShardId {
    assert!(shard_count > 0, "a node has at least one shard");
    let shards = u64::from(shard_count);
    let first = mix(topic) % shards;
    let shard = (first + u64::from(partition) % shards) % shards;
    ShardId(u16::try_from(shard).expect("less than the shard count, which is a u16"))
}

/// Spreads ids that differ in few bits: the finalizer of splitmix64 over both halves.
fn mix(topic: u128) -> u64 {
    let mut bits = (topic >> 64) as u64 ^ (topic as u64).rotate_left(32);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_a_topic_go_to_all_shards_in_turn() {
        for shards in [1u16, 2, 3, 7, 64] {
            let owners: std::collections::BTreeSet<_> =
                (0..u32::from(shards)).map(|partition| owner(42, partition, shards)).collect();
            assert_eq!(owners.len(), usize::from(shards));
        }
    }

    #[test]
    fn topics_with_one_partition_spread_over_the_shards() {
        let mut topics_of = [0u32; 4];
        for topic in 0..4000u128 {
            topics_of[owner(topic * 0x1_0001, 0, 4).index()] += 1;
        }
        for count in topics_of {
            assert!((800..1200).contains(&count), "{topics_of:?}");
        }
    }

    #[test]
    fn the_place_of_a_partition_never_changes_between_versions() {
        // A partition's data lies with the journal of its shard, so these values are part of the format.
        assert_eq!(owner(0, 0, 2), ShardId(0));
        assert_eq!(
            owner(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, 5, 7),
            owner(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, 12, 7)
        );
        assert_eq!(owner(u128::MAX, u32::MAX, 1), ShardId(0));
    }
}
