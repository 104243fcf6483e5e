//! Seeded randomness, so that a failing run can be repeated: the seed is printed, and `RINGMAIN_SEED` sets it.

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and good enough to choose moments and contents.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that always gives the same numbers for the same seed.
    pub fn from_seed(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `low..high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low < high, "an empty range has no number");
        low + self.next_u64() % (high - low)
    }

    /// Bytes that no codec makes smaller.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next_u64().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

/// The seed of this run: `RINGMAIN_SEED`, or one from the clock. Printed, because a failure is worth nothing without it.
pub fn seed_of_run(test: &str) -> u64 {
    let seed = match std::env::var("RINGMAIN_SEED") {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("RINGMAIN_SEED={text} is no number")),
        Err(_) => crate::clock::wall_ms().unsigned_abs(),
    };
    println!("{test}: RINGMAIN_SEED={seed} repeats this run");
    seed
}

/// A count from the environment, for runs longer or shorter than the ordinary one.
pub fn count_from_env(name: &str, ordinary: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => ordinary,
    }
}
