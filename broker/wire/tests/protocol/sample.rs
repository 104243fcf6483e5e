//! Makes values of every message from a seed: empty ones, full ones, and mixtures.

use std::borrow::Cow;
use std::sync::LazyLock;

use wire::{ErrorCode, Float64, Records, Uuid};

/// A source of values. The same seed makes the same value.
pub struct Source {
    state: u64,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    /// Zero, null and no elements.
    Empty,
    /// Nothing is null, zero or empty.
    Full,
    /// Anything.
    Mixed,
}

/// A type that values can be made of.
pub trait Sample: Sized {
    fn sample(source: &mut Source) -> Self;
}

impl Source {
    /// Seed 0 makes empty values, seed 1 full ones, all others mixtures.
    pub fn new(seed: u64) -> Self {
        let shape = match seed {
            0 => Shape::Empty,
            1 => Shape::Full,
            _ => Shape::Mixed,
        };
        Self { state: seed, shape }
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn is_null(&mut self) -> bool {
        match self.shape {
            Shape::Empty => true,
            Shape::Full => false,
            Shape::Mixed => self.below(3) == 0,
        }
    }

    fn number(&mut self) -> i64 {
        match self.shape {
            Shape::Empty => 0,
            Shape::Full => self.next() as i64 | 1,
            Shape::Mixed => match self.below(6) {
                0 => 0,
                1 => -1,
                2 => i64::MIN,
                3 => i64::MAX,
                4 => self.below(300) as i64,
                _ => self.next() as i64,
            },
        }
    }

    /// Lengths around the places where a compact length takes one byte more.
    fn text(&mut self) -> &'static str {
        static LONG: LazyLock<String> = LazyLock::new(|| "größe".repeat(3000));
        match self.shape {
            Shape::Empty => "",
            Shape::Full => "a-topic",
            Shape::Mixed => match self.below(7) {
                0 => "",
                1 => "t",
                2 => "größe \"✓\" {x: 1}, [2]",
                3 => &LONG[..126],
                4 => &LONG[..127],
                5 => &LONG[..128],
                _ => &LONG[..16_400],
            },
        }
    }

    fn bytes(&mut self) -> &'static [u8] {
        static BLOB: [u8; 300] = [0xa5; 300];
        match self.shape {
            Shape::Empty => &[],
            Shape::Full => &BLOB[..61],
            Shape::Mixed => &BLOB[..[0, 1, 61, 126, 127, 128, 300][self.below(7)]],
        }
    }

    fn count(&mut self) -> usize {
        match self.shape {
            Shape::Empty => 0,
            Shape::Full => 2,
            Shape::Mixed => [0, 1, 1, 2, 3][self.below(5)],
        }
    }
}

macro_rules! sample_numbers {
    ($($ty:ty)*) => {$(
        impl Sample for $ty {
            fn sample(source: &mut Source) -> Self {
                // The extremes of 64 bits are cut to the extremes of the type, or to -1 and 0.
                source.number() as $ty
            }
        }
    )*};
}

sample_numbers! { i8 i16 i32 i64 }

impl Sample for bool {
    fn sample(source: &mut Source) -> Self {
        source.number() & 1 == 1
    }
}

impl Sample for Float64 {
    fn sample(source: &mut Source) -> Self {
        (source.number() as f64).into()
    }
}

impl Sample for Uuid {
    fn sample(source: &mut Source) -> Self {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&source.number().to_be_bytes());
        id[8..].copy_from_slice(&source.number().to_be_bytes());
        Uuid(id)
    }
}

impl Sample for ErrorCode {
    fn sample(source: &mut Source) -> Self {
        ErrorCode::from_i16(i16::sample(source))
    }
}

impl Sample for &'static str {
    fn sample(source: &mut Source) -> Self {
        source.text()
    }
}

impl Sample for Cow<'static, str> {
    fn sample(source: &mut Source) -> Self {
        Cow::Borrowed(source.text())
    }
}

impl Sample for &'static [u8] {
    fn sample(source: &mut Source) -> Self {
        source.bytes()
    }
}

impl Sample for Records<'static> {
    fn sample(source: &mut Source) -> Self {
        if source.is_null() { Records::None } else { Records::Bytes(source.bytes()) }
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(source: &mut Source) -> Self {
        (0..source.count()).map(|_| T::sample(source)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(source: &mut Source) -> Self {
        if source.is_null() { None } else { Some(T::sample(source)) }
    }
}
