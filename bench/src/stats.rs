//! Summaries of repeated measurements. Pure.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// The spread of a figure over the rounds of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

/// The spread of `samples`, or nothing if there are none.
pub fn spread(samples: &[f64]) -> Option<Spread> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (&min, &max) = (sorted.first()?, sorted.last()?);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    Some(Spread { min, median, max })
}

/// The median of `samples`; not a number if there are none, so that a gap shows as a gap.
pub fn median(samples: &[f64]) -> f64 {
    spread(samples).map_or(f64::NAN, |spread| spread.median)
}

/// The sample below or at which the share `share` (0 to 1) of all samples lies. Sorts `samples`.
pub fn percentile(samples: &mut [f64], share: f64) -> f64 {
    assert!((0.0..=1.0).contains(&share), "a share lies between 0 and 1");
    samples.sort_by(f64::total_cmp);
    let rank = (share * samples.len() as f64).ceil() as usize;
    samples.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() {
        assert_eq!(spread(&[4.0, 1.0, 3.0, 2.0]), Some(Spread { min: 1.0, median: 2.5, max: 4.0 }));
        assert_eq!(spread(&[7.0]), Some(Spread { min: 7.0, median: 7.0, max: 7.0 }));
        assert_eq!(spread(&[]), None);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_percentile_is_a_sample_that_was_taken() {
        let mut samples: Vec<f64> = (1..=1000).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut samples, 0.5), 500.0);
        assert_eq!(percentile(&mut samples, 0.99), 990.0);
        assert_eq!(percentile(&mut samples, 1.0), 1000.0);
        assert_eq!(percentile(&mut samples, 0.0), 1.0);
        assert!(percentile(&mut [], 0.5).is_nan());
    }
}
