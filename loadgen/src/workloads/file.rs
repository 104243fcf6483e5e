//! P: a mixed workload as a TOML file: streams of records, each with its topics, sizes, keys, rates, producers and consumers.
//! A key that is not known is refused, because a misspelt one would change nothing. `workloads/` has an example with all keys.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::{Keys, Mode, Options, Rate, Sizes};

/// Each topic is a run of its own, with threads of its own.
const RUNS_MAX: usize = 256;

/// A workload.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Workload {
    /// Seconds that are measured, and seconds before; for all streams.
    #[serde(default = "ten")]
    duration_s: f64,
    #[serde(default = "two")]
    warm_up_s: f64,
    stream: Vec<Stream>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Stream {
    topic: String,
    /// With more than one the topics are called `topic-0`, `topic-1` and so on, and each is loaded as this says.
    #[serde(default = "one")]
    topics: usize,
    partitions: Option<u32>,
    replication_factor: Option<i16>,
    #[serde(default)]
    topic_config: BTreeMap<String, String>,
    producers: Option<usize>,
    /// None measures to the acknowledgement only.
    #[serde(default)]
    consumers: usize,
    #[serde(default)]
    fan_out: bool,
    threads: Option<usize>,
    message_bytes: Option<Bytes>,
    random_share: Option<f64>,
    compression: Option<String>,
    keys: Option<KeyChoice>,
    rate: Option<RateChoice>,
    /// Other rates from these times on.
    #[serde(default)]
    rate_curve: Vec<RateStep>,
    acks: Option<String>,
    idempotent: Option<bool>,
    batch_bytes: Option<usize>,
    linger_ms: Option<f64>,
    in_flight: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Bytes {
    Fixed(usize),
    Uniform(MinMax),
    Weighted(Vec<Weighted>),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MinMax {
    min: usize,
    max: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Weighted {
    bytes: usize,
    weight: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyChoice {
    distribution: Distribution,
    #[serde(default)]
    count: u32,
    exponent: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Distribution {
    Null,
    InTurn,
    Uniform,
    Zipf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum RateChoice {
    PerSecond(u64),
    Word(String),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct RateStep {
    from_s: f64,
    rate: u64,
}

fn one() -> usize {
    1
}

fn two() -> f64 {
    2.0
}

fn ten() -> f64 {
    10.0
}

/// Reads a workload; what is wrong with it is one sentence.
pub(crate) fn parse(text: &str) -> Result<Workload, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let place = line.map_or(String::new(), |line| format!("line {line}: "));
        format!("{place}{}", error.message().replace('\n', " "))
    })
}

/// The run of each topic, with its name, as variations of `base`.
pub(crate) fn runs(workload: &Workload, base: &Options) -> Result<Vec<(String, Options)>, String> {
    let mut runs = Vec::new();
    for stream in &workload.stream {
        for number in 0..stream.topics {
            let topic = if stream.topics == 1 { stream.topic.clone() } else { format!("{}-{number}", stream.topic) };
            let mut options = stream.options(base).map_err(|reason| format!("topic {topic}: {reason}"))?;
            options.topic = topic.clone();
            options.duration = seconds(workload.duration_s)?;
            options.warm_up = seconds(workload.warm_up_s)?;
            runs.push((topic, options));
        }
    }
    match runs.len() {
        0 => Err("a workload needs a [[stream]] with at least one topic".to_owned()),
        count if count > RUNS_MAX => {
            Err(format!("{count} topics are more than the {RUNS_MAX} that can be loaded at once"))
        }
        _ => Ok(runs),
    }
}

impl Stream {
    fn options(&self, base: &Options) -> Result<Options, String> {
        let mut options = base.clone();
        options.mode = if self.consumers == 0 { Mode::Produce } else { Mode::EndToEnd };
        options.consumers = self.consumers.max(1);
        options.fan_out = self.fan_out;
        options.topic_configs = self.topic_config.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let Stream { partitions, replication_factor, producers, threads, random_share, .. } = *self;
        set(&mut options.partitions, partitions);
        set(&mut options.replication_factor, replication_factor);
        set(&mut options.producers, producers);
        set(&mut options.threads, threads);
        set(&mut options.random_share, random_share);
        set(&mut options.idempotent, self.idempotent);
        set(&mut options.batch_bytes, self.batch_bytes);
        set(&mut options.in_flight_max, self.in_flight);
        set(&mut options.linger, self.linger_ms.map(|ms| seconds(ms / 1e3)).transpose()?);
        set(&mut options.sizes, self.message_bytes.as_ref().map(Bytes::sizes));
        set(&mut options.compression, self.compression.as_deref().map(crate::flags::compression).transpose()?);
        set(&mut options.acks, self.acks.as_deref().map(crate::flags::acks).transpose()?);
        set(&mut options.keys, self.keys.as_ref().map(KeyChoice::keys).transpose()?);
        options.rate = match &self.rate {
            None => Rate::Max,
            Some(RateChoice::PerSecond(rate)) => Rate::PerSecond(*rate),
            Some(RateChoice::Word(word)) if word == "max" => Rate::Max,
            Some(RateChoice::Word(word)) => return Err(format!("a rate is \"max\" or records per second, not {word}")),
        };
        let steps = self.rate_curve.iter().map(|step| Ok((seconds(step.from_s)?, step.rate)));
        options.rate_steps = steps.collect::<Result<_, String>>()?;
        options.check().map_err(|failure| failure.to_string())?;
        Ok(options)
    }
}

impl Bytes {
    fn sizes(&self) -> Sizes {
        match self {
            Bytes::Fixed(bytes) => Sizes::Fixed(*bytes),
            Bytes::Uniform(MinMax { min, max }) => Sizes::Uniform { min: *min, max: *max },
            Bytes::Weighted(sizes) => Sizes::Weighted(sizes.iter().map(|size| (size.bytes, size.weight)).collect()),
        }
    }
}

impl KeyChoice {
    fn keys(&self) -> Result<Keys, String> {
        if self.exponent.is_some() && self.distribution != Distribution::Zipf {
            return Err("only zipf has an exponent".to_owned());
        }
        Ok(match self.distribution {
            Distribution::Null if self.count > 0 => return Err("the distribution null has no count of keys".to_owned()),
            Distribution::Null => Keys::None,
            Distribution::InTurn => Keys::Count(self.count),
            Distribution::Uniform => Keys::Uniform(self.count),
            Distribution::Zipf => Keys::Zipf { count: self.count, exponent: self.exponent.unwrap_or(1.0) },
        })
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn seconds(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{seconds} is no time"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Acks, Compression};

    const EXAMPLE: &str = include_str!("../../workloads/orders-and-clicks.toml");

    fn base() -> Options {
        Options::new(Mode::Produce)
    }

    #[test]
    fn the_example_is_a_workload_and_names_every_key() {
        let runs = runs(&parse(EXAMPLE).unwrap(), &base()).unwrap();
        let names: Vec<&str> = runs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["orders-0", "orders-1", "clicks", "images"]);
        let orders = &runs[0].1;
        assert_eq!(orders.keys, Keys::Zipf { count: 10_000, exponent: 1.1 });
        assert_eq!((orders.mode, orders.acks, orders.compression), (Mode::EndToEnd, Acks::All, Compression::None));
        assert_eq!(runs[3].1.sizes, Sizes::Weighted(vec![(20_000, 9), (400_000, 1)]));
        for (_, options) in runs {
            assert_eq!(options.duration, Duration::from_secs(10));
        }
    }

    #[test]
    fn what_is_not_known_is_refused_in_one_sentence() {
        for (text, sentence) in [
            ("[[stream]]\ntopic = 'a'\nprodusers = 3\n", "line 3: unknown field `produsers`, expected one of `topic`"),
            ("durations = 3\n[[stream]]\ntopic = 'a'\n", "line 1: unknown field `durations`"),
            ("[[stream]]\ntopic = 'a'\nrate-curve = [{ from-s = 1, rat = 5 }]\n", "line 3: unknown field `rat`"),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.starts_with(sentence) && !said.contains('\n'), "{said}");
        }
        for (text, sentence) in [
            ("compression = 'brotli'", "topic a: it must be none, gzip"),
            ("rate = 'fast'", "topic a: a rate is \"max\""),
            ("keys = { distribution = 'uniform' }", "topic a: there are 1 to 10000000 keys"),
            ("keys = { distribution = 'null', count = 3 }", "topic a: the distribution null has no count"),
            ("message-bytes = { min = 9, max = 3 }", "topic a: the smallest size is larger"),
            (
                "rate = 5\nrate-curve = [{ from-s = 3, rate = 1 }, { from-s = 2, rate = 1 }]",
                "topic a: the times of a changing",
            ),
            ("consumers = 1\nmessage-bytes = 20", "topic a: a record that carries its due time"),
            ("topics = 300", "300 topics are more than"),
        ] {
            let workload = parse(&format!("[[stream]]\ntopic = 'a'\n{text}\n")).unwrap();
            let said = runs(&workload, &base()).unwrap_err();
            assert!(said.starts_with(sentence), "{said}");
        }
    }
}
