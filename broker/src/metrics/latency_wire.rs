//! Latencies as the endpoint gives them to `ringmain latency`: JSON, in which nothing of the histograms is lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Snapshot;
use super::exposition::api_name;
use super::latency::{ApiLatency, Distribution};
use super::stage::Stage;

/// The latencies of a node since its start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NodeLatency {
    pub shards: Vec<ShardLatency>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardLatency {
    pub shard: u16,
    /// By Kafka's name of the API.
    apis: BTreeMap<String, ApiSteps>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ApiSteps {
    total: Steps,
    /// By the stage's name.
    stages: BTreeMap<String, Steps>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Steps {
    sum_ns: u64,
    /// Nanoseconds, rounded to two digits, and how often.
    steps: Vec<(u64, u64)>,
}

impl NodeLatency {
    pub fn of(snapshots: &[impl AsRef<Snapshot>]) -> Self {
        let mut shards: Vec<_> = snapshots.iter().map(|snapshot| ShardLatency::of(snapshot.as_ref())).collect();
        shards.sort_by_key(|shard| shard.shard);
        Self { shards }
    }
}

impl ShardLatency {
    fn of(snapshot: &Snapshot) -> Self {
        let apis = snapshot.latencies.iter().map(|(&api_key, latency)| (api_name(api_key), ApiSteps::of(latency)));
        Self { shard: snapshot.shard.0, apis: apis.collect() }
    }

    /// What was told, by API. Stages that this build does not know are left out.
    pub fn latencies(&self) -> BTreeMap<String, ApiLatency> {
        self.apis.iter().map(|(api, told)| (api.clone(), told.latency())).collect()
    }
}

impl ApiSteps {
    fn of(latency: &ApiLatency) -> Self {
        let stages = latency.stages().map(|(stage, told)| (stage.name().to_owned(), Steps::of(told)));
        Self { total: Steps::of(&latency.total), stages: stages.collect() }
    }

    fn latency(&self) -> ApiLatency {
        let mut latency = ApiLatency::of_total(self.total.distribution());
        for (name, told) in &self.stages {
            if let Some(stage) = Stage::named(name) {
                latency.set_stage(stage, told.distribution());
            }
        }
        latency
    }
}

impl Steps {
    fn of(distribution: &Distribution) -> Self {
        Self { sum_ns: distribution.sum_ns(), steps: distribution.steps().collect() }
    }

    fn distribution(&self) -> Distribution {
        Distribution::from_steps(self.sum_ns, self.steps.iter().copied())
    }
}
