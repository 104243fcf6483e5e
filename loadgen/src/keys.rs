//! P: keys, how often each of them comes, and where Kafka's own partitioner puts them.

use crate::Keys;
use crate::payload::mix;

/// The order in which drawn keys come repeats after this many records, or after four for each key.
const CYCLE_RECORDS_MIN: usize = 4096;
const CYCLE_RECORDS_MAX: usize = 1 << 20;

/// The numbers of the keys that a producer's records take, one after the other and from the start again; empty without keys.
pub(crate) fn cycle(keys: Keys, seed: u64) -> Vec<u32> {
    let length = |count: u32| (count as usize).saturating_mul(4).clamp(CYCLE_RECORDS_MIN, CYCLE_RECORDS_MAX);
    let draws = |count: u32| (0..length(count) as u64).map(move |place| mix(seed.wrapping_add(place)));
    match keys {
        Keys::None => Vec::new(),
        Keys::Count(count) => (0..count).collect(),
        Keys::Uniform(count) => {
            draws(count).map(|draw| ((u128::from(draw) * u128::from(count)) >> 64) as u32).collect()
        }
        Keys::Zipf { count, exponent } => {
            let mut sum = 0.0;
            let sums: Vec<f64> = (1..=count)
                .map(|rank| {
                    sum += f64::from(rank).powf(-exponent);
                    sum
                })
                .collect();
            let place = |draw: u64| sums.partition_point(|&below| below < draw as f64 / u64::MAX as f64 * sum);
            draws(count).map(|draw| place(draw).min(count as usize - 1) as u32).collect()
        }
    }
}

/// The key with this number.
pub(crate) fn key(number: u32) -> Vec<u8> {
    format!("key-{number:08}").into_bytes()
}

/// The partition of a key as Kafka's Java producer chooses it: murmur2, made positive, modulo the partitions.
pub(crate) fn partition_of(key: &[u8], partitions: usize) -> usize {
    (murmur2(key) & 0x7fff_ffff) as usize % partitions
}

/// Austin Appleby's MurmurHash2 with Kafka's seed.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_keys_come_as_often_as_they_should() {
        let counts = |keys| {
            let mut counts = [0_u32; 100];
            cycle(keys, 5).into_iter().for_each(|key| counts[key as usize] += 1);
            counts
        };
        let uniform = counts(Keys::Uniform(100));
        assert!(uniform.iter().all(|&count| (15..80).contains(&count)), "{uniform:?}");
        let zipf = counts(Keys::Zipf { count: 100, exponent: 1.0 });
        // The first of 100 comes with 1 / H(100), a fifth, and twice as often as the second.
        assert!((700..900).contains(&zipf[0]) && (330..470).contains(&zipf[1]), "{zipf:?}");
        assert_eq!(cycle(Keys::Count(3), 5), [0, 1, 2]);
        assert!(cycle(Keys::None, 5).is_empty());
    }

    /// The values are from Kafka's own test of its murmur2.
    #[test]
    fn hashes_are_those_of_kafka() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }
}
