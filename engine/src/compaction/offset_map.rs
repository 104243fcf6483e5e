//! The last offset of every key, in bounded memory.

use batch::Offset;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// One slot: 128 bits of hash, then the offset plus one; 0 for an empty slot. Memory that is all zeros costs nothing until it is used.
type Slot = [u64; 3];

/// Of four slots three are used at most: beyond, the search for a free one gets long.
const SLOTS_PER_KEY: (usize, usize) = (4, 3);

/// Makes the hashes of one process differ from those of another, so that nobody can send keys that are taken for others.
#[derive(Debug, Clone, Copy)]
pub struct MapSeed(pub u64, pub u64);

/// Keys are told apart by 128 bits of a keyed hash: among three million keys two are taken for one with a probability of 1 in 10^25.
pub struct OffsetMap {
    slots: Vec<Slot>,
    seed: MapSeed,
    keys: usize,
    keys_max: usize,
}

impl OffsetMap {
    /// A map for at most `keys` keys that takes at most `bytes_max` bytes, and room for one key at least.
    pub fn new(seed: MapSeed, keys: u64, bytes_max: usize) -> Self {
        let affordable = bytes_max / size_of::<Slot>();
        let wanted = usize::try_from(keys).unwrap_or(usize::MAX).saturating_mul(SLOTS_PER_KEY.0) / SLOTS_PER_KEY.1;
        let slots = wanted.saturating_add(1).min(affordable).max(2);
        Self { slots: vec![[0; 3]; slots], seed, keys: 0, keys_max: slots * SLOTS_PER_KEY.1 / SLOTS_PER_KEY.0 }
    }

    /// Notes that `key` has a record at `offset`, which is past all before. False if the map has no room for another key.
    #[must_use]
    pub fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        assert!(offset.0 >= 0, "offsets in a log are never negative");
        let [high, low] = self.hash(key);
        let at = self.find(high, low);
        if self.slots[at][2] == 0 {
            if self.keys == self.keys_max {
                return false;
            }
            self.keys += 1;
        }
        self.slots[at] = [high, low, offset.0 as u64 + 1];
        true
    }

    /// The last offset noted for `key`.
    pub fn get(&self, key: &[u8]) -> Option<Offset> {
        let [high, low] = self.hash(key);
        let [_, _, next] = self.slots[self.find(high, low)];
        next.checked_sub(1).map(|offset| Offset(offset as i64))
    }

    pub fn len(&self) -> usize {
        self.keys
    }

    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        let mut hasher = SipHasher13::new_with_keys(self.seed.0, self.seed.1);
        hasher.write(key);
        let hash = hasher.finish128();
        [hash.h1, hash.h2]
    }

    /// The slot that has the hash, or the empty one where it belongs. There always is an empty one.
    fn find(&self, high: u64, low: u64) -> usize {
        // The high half times the number of slots, as a fraction of 2^64: spread evenly without a division.
        let mut at = ((u128::from(high) * self.slots.len() as u128) >> 64) as usize;
        loop {
            let slot = &self.slots[at];
            if slot[2] == 0 || (slot[0] == high && slot[1] == low) {
                return at;
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
    }
}
