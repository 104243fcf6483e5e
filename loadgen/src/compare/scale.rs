//! P: where a value lies on an axis, from 0 to 1, and which values get a line.

/// An axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    Linear {
        from: f64,
        to: f64,
    },
    /// Both ends above 0.
    Log {
        from: f64,
        to: f64,
    },
    /// Of quantiles: each nine takes the same room, so that the tail is as wide as the body.
    Nines {
        nines: f64,
    },
}

/// A line across the chart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    /// Empty for a line between those with a name.
    pub(crate) label: String,
}

impl Scale {
    /// A logarithmic axis around these values, with room at both ends.
    pub(crate) fn log_around(values: impl Iterator<Item = f64>) -> Scale {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        for value in values.filter(|value| value.is_finite() && *value > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
        if high <= 0.0 {
            (low, high) = (0.1, 1.0);
        }
        let low = steps_1_2_5(low / 10.0, low).last().copied().unwrap_or(low);
        let high = steps_1_2_5(high, high * 10.0).first().copied().unwrap_or(high);
        if high / low < 3.0 {
            Scale::Log { from: low / 2.0, to: high * 2.0 }
        } else {
            Scale::Log { from: low, to: high }
        }
    }

    /// A linear axis from 0 to a round number above these values.
    pub(crate) fn linear_from_zero(values: impl Iterator<Item = f64>) -> Scale {
        let high = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let step = linear_step(high);
        Scale::Linear { from: 0.0, to: ((high * 1.02 / step).ceil() * step).max(step) }
    }

    /// The place of a value; what lies outside is put at the nearer end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let place = match *self {
            Scale::Linear { from, to } => (value - from) / (to - from),
            Scale::Log { from, to } => (value.max(from).ln() - from.ln()) / (to.ln() - from.ln()),
            Scale::Nines { nines } => -(1.0 - value).max(1e-12).log10() / nines,
        };
        place.clamp(0.0, 1.0)
    }

    /// The lines, each named by `label`.
    pub(crate) fn ticks(&self, label: impl Fn(f64) -> String) -> Vec<Tick> {
        match *self {
            Scale::Linear { from, to } => {
                let step = linear_step(to - from);
                let count = ((to - from) / step).round() as usize;
                let values = (0..=count).map(|number| from + number as f64 * step);
                values.map(|value| Tick { value, label: label(value) }).collect()
            }
            Scale::Log { from, to } => {
                let decades = (to / from).log10();
                let named = |value: f64| {
                    let digit = (value / 10f64.powf(value.log10().floor() + 1e-9)).round();
                    decades < 2.5 || digit == 1.0 || digit == 10.0
                };
                let values = steps_1_2_5(from, to).into_iter();
                let text = |value| if named(value) { label(value) } else { String::new() };
                values.map(|value| Tick { value, label: text(value) }).collect()
            }
            Scale::Nines { nines } => {
                let whole = (1..=nines.floor() as i32).map(|nine| 1.0 - 10f64.powi(-nine));
                [0.0, 0.5].into_iter().chain(whole).map(|value| Tick { value, label: label(value) }).collect()
            }
        }
    }
}

/// 1, 2 and 5 times the powers of ten from `from` to `to`, with a little tolerance for what computing loses.
fn steps_1_2_5(from: f64, to: f64) -> Vec<f64> {
    let decades = from.log10().floor() as i32 - 1..=to.log10().ceil() as i32 + 1;
    let all = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade)));
    all.filter(|value| (from * 0.999_999..=to * 1.000_001).contains(value)).collect()
}

fn linear_step(range: f64) -> f64 {
    let raw = (range / 5.0).max(1e-9);
    steps_1_2_5(raw, raw * 10.0).first().copied().unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nine_takes_the_same_room() {
        let scale = Scale::Nines { nines: 4.0 };
        for (quantile, place) in [(0.0, 0.0), (0.9, 0.25), (0.99, 0.5), (0.999, 0.75), (0.9999, 1.0), (1.0, 1.0)] {
            assert!((scale.place(quantile) - place).abs() < 1e-9, "{quantile}");
        }
        assert_eq!(scale.ticks(|quantile| format!("{quantile}")).len(), 6);
    }

    #[test]
    fn axes_hold_their_values_and_begin_and_end_with_round_ones() {
        let log = Scale::log_around([0.17, 4.7].into_iter());
        assert_eq!(log, Scale::Log { from: 0.1, to: 5.0 });
        let labels: Vec<String> = log.ticks(|value| format!("{value:.1}")).into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["0.1", "0.2", "0.5", "1.0", "2.0", "5.0"]);
        let linear = Scale::linear_from_zero([930.0, 12.0].into_iter());
        assert_eq!(linear, Scale::Linear { from: 0.0, to: 1000.0 });
        assert_eq!(linear.ticks(|value| format!("{value}")).len(), 6);
        assert!(Scale::log_around(std::iter::empty()).place(5.0).is_finite());
        assert!(Scale::linear_from_zero(std::iter::empty()).place(5.0).is_finite());
    }
}
