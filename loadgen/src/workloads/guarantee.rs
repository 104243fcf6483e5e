//! What an acknowledgement of a broker means. Figures with different guarantees are not compared.

use serde::Serialize;
use wire::ApiKey;
use wire::describe_configs::{DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse};

use crate::client::Client;
use crate::{Acks, Failure};

/// Kafka's number for a topic among the resources that have settings.
const TOPIC_RESOURCE: i8 = 2;
const SETTING: &str = "ringmain.durability";

/// Where an acknowledged record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// In the memory of the broker's process, or nobody knows: it goes when the process goes.
    None,
    /// In the memory of the kernel: it goes when the machine goes.
    PageCache,
    /// On stable storage.
    Device,
    /// Nobody has said it, and the broker does not.
    Unknown,
}

impl Guarantee {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Guarantee::None => "none",
            Guarantee::PageCache => "page cache",
            Guarantee::Device => "device",
            Guarantee::Unknown => "unknown",
        }
    }
}

/// Asks a broker what its acknowledgement of a record of the topic means. Ringmain says it; of another one it is unknown.
pub(crate) fn ask(address: &str, topic: &str, acks: Acks) -> Result<Guarantee, Failure> {
    if acks == Acks::None {
        return Ok(Guarantee::None);
    }
    let mut client = Client::connect(address)?;
    let Ok(version) = client.versions().pick(ApiKey::DescribeConfigs, 4) else { return Ok(Guarantee::Unknown) };
    let resource = DescribeConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: topic,
        configuration_keys: Some(vec![SETTING]),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..DescribeConfigsRequest::default() };
    let value = client.call(
        ApiKey::DescribeConfigs,
        version,
        |out| request.encode(version, out),
        |reader| {
            let answer = DescribeConfigsResponse::decode(version, reader)?;
            let mut configs = answer.results.iter().flat_map(|result| &result.configs);
            let found = configs.find(|config| config.name == SETTING);
            Ok(found.and_then(|config| config.value.as_deref().map(str::to_owned)))
        },
    )?;
    Ok(match value.as_deref() {
        Some("durable") => Guarantee::Device,
        // It is acknowledged from memory, before it is written.
        Some("relaxed") => Guarantee::None,
        _ => Guarantee::Unknown,
    })
}
