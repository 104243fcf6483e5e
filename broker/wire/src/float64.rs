//! A floating-point number as messages carry it.

use std::fmt;

/// An IEEE 754 number of 64 bits. Two are the same if their bits are, so that messages can be compared.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Float64(u64);

impl Float64 {
    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for Float64 {
    fn from(number: f64) -> Self {
        Self(number.to_bits())
    }
}

impl fmt::Debug for Float64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), f)
    }
}
