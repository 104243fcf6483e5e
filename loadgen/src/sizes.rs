//! P: how large the values of records are.

/// Sizes of values in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// All alike.
    Fixed(usize),
    /// Each size from the smallest to the largest as often as the others.
    Uniform { min: usize, max: usize },
    /// Sizes with their weights.
    Weighted(Vec<(usize, u32)>),
}

impl Sizes {
    /// The size that a well mixed number stands for.
    pub(crate) fn of(&self, number: u64) -> usize {
        match self {
            Sizes::Fixed(bytes) => *bytes,
            Sizes::Uniform { min, max } => {
                let count = (max - min) as u64 + 1;
                min + ((u128::from(number) * u128::from(count)) >> 64) as usize
            }
            Sizes::Weighted(sizes) => {
                let mut place = ((u128::from(number) * u128::from(weight(sizes))) >> 64) as u64;
                for &(bytes, weight) in sizes {
                    match place.checked_sub(u64::from(weight)) {
                        Some(rest) => place = rest,
                        None => return bytes,
                    }
                }
                unreachable!("the place lies below the sum of the weights")
            }
        }
    }

    pub(crate) fn min(&self) -> usize {
        match self {
            Sizes::Fixed(bytes) => *bytes,
            Sizes::Uniform { min, .. } => *min,
            Sizes::Weighted(sizes) => sizes.iter().map(|(bytes, _)| *bytes).min().unwrap_or(0),
        }
    }

    pub(crate) fn max(&self) -> usize {
        match self {
            Sizes::Fixed(bytes) => *bytes,
            Sizes::Uniform { max, .. } => *max,
            Sizes::Weighted(sizes) => sizes.iter().map(|(bytes, _)| *bytes).max().unwrap_or(0),
        }
    }

    pub(crate) fn mean(&self) -> f64 {
        match self {
            Sizes::Fixed(bytes) => *bytes as f64,
            Sizes::Uniform { min, max } => (min + max) as f64 / 2.0,
            Sizes::Weighted(sizes) => {
                let sum: f64 = sizes.iter().map(|&(bytes, weight)| bytes as f64 * f64::from(weight)).sum();
                sum / weight(sizes).max(1) as f64
            }
        }
    }

    /// What is wrong with them, if anything is.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        match self {
            Sizes::Uniform { min, max } if min > max => Some("the smallest size is larger than the largest"),
            Sizes::Weighted(sizes) if weight(sizes) == 0 => Some("sizes with weights need one with a weight above 0"),
            _ => None,
        }
    }
}

fn weight(sizes: &[(usize, u32)]) -> u64 {
    sizes.iter().map(|(_, weight)| u64::from(*weight)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::mix;

    #[test]
    fn sizes_come_as_often_as_they_should() {
        let drawn = |sizes: &Sizes| -> Vec<usize> { (0..40_000).map(|number| sizes.of(mix(number))).collect() };
        for sizes in
            [Sizes::Fixed(7), Sizes::Uniform { min: 100, max: 299 }, Sizes::Weighted(vec![(10, 9), (5, 0), (1_000, 1)])]
        {
            let drawn = drawn(&sizes);
            let mean = drawn.iter().sum::<usize>() as f64 / drawn.len() as f64;
            assert!((mean / sizes.mean() - 1.0).abs() < 0.05, "{sizes:?}: {mean}");
            assert!(drawn.iter().all(|&bytes| (sizes.min()..=sizes.max()).contains(&bytes)), "{sizes:?}");
        }
        assert!(!drawn(&Sizes::Weighted(vec![(10, 9), (5, 0)])).contains(&5));
        assert!(Sizes::Weighted(vec![]).fault().is_some());
    }
}
