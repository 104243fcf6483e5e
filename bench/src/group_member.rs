//! A member of a consumer group (KIP-848), as far as its coordinator sees it: what it owns it owns at once.

use wire::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions};
use wire::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::{ApiKey, Reader};

use crate::client::{Client, unreadable};
use crate::clock::{Stopwatch, pause};
use crate::failure::Failure;

const FIND_COORDINATOR_VERSION: i16 = 4;
const HEARTBEAT_VERSION: i16 = 1;
const REBALANCE_TIMEOUT_MS: i32 = 300_000;
const FOUND_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_millis(10);

/// One member.
pub struct Member {
    group: String,
    id: String,
    epoch: i32,
    owned: Vec<TopicPartitions>,
    /// It owns other partitions than it has said.
    has_news: bool,
}

impl Member {
    pub fn new(group: String, id: String) -> Self {
        Self { group, id, epoch: 0, owned: Vec::new(), has_news: false }
    }

    /// Joins, for all partitions of a topic that are there.
    pub fn join(&mut self, client: &mut Client, topic: &str) -> Result<(), Failure> {
        let request = ConsumerGroupHeartbeatRequest {
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            subscribed_topic_names: Some(vec![topic]),
            topic_partitions: Some(Vec::new()),
            ..self.short()
        };
        let answer = ask(client, &request)?;
        self.take(&answer)
    }

    /// A heartbeat, which says what the member owns if that is new. Tells whether the answer was new to it.
    pub fn beat(&mut self, client: &mut Client) -> Result<bool, Failure> {
        let topic_partitions = self.has_news.then(|| self.owned.clone());
        let answer = ask(client, &ConsumerGroupHeartbeatRequest { topic_partitions, ..self.short() })?;
        let before = (self.epoch, self.has_news);
        self.take(&answer)?;
        Ok(before != (self.epoch, false) || self.has_news)
    }

    fn short(&self) -> ConsumerGroupHeartbeatRequest<'_> {
        ConsumerGroupHeartbeatRequest {
            group_id: &self.group,
            member_id: &self.id,
            member_epoch: self.epoch,
            ..Default::default()
        }
    }

    fn take(&mut self, body: &[u8]) -> Result<(), Failure> {
        let answer =
            ConsumerGroupHeartbeatResponse::decode(HEARTBEAT_VERSION, &mut Reader::new(body)).map_err(unreadable)?;
        if answer.error_code.is_error() {
            let reason = answer.error_message.unwrap_or_default();
            return Err(Failure::Answer(format!(
                "member {} of {}: {} {reason}",
                self.id, self.group, answer.error_code
            )));
        }
        self.epoch = answer.member_epoch;
        self.has_news = answer.assignment.is_some();
        if let Some(assignment) = answer.assignment {
            self.owned = assignment.topic_partitions;
        }
        Ok(())
    }
}

fn ask(client: &mut Client, request: &ConsumerGroupHeartbeatRequest<'_>) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    request.encode(HEARTBEAT_VERSION, &mut body);
    client.call(ApiKey::ConsumerGroupHeartbeat, HEARTBEAT_VERSION, &body)
}

/// Asks for a coordinator until there is one, which makes the topic that holds groups.
pub fn find_coordinator(client: &mut Client) -> Result<(), Failure> {
    let request = FindCoordinatorRequest { coordinator_keys: vec!["group"], ..Default::default() };
    let mut body = Vec::new();
    request.encode(FIND_COORDINATOR_VERSION, &mut body);
    let watch = Stopwatch::start();
    loop {
        let answer = client.call(ApiKey::FindCoordinator, FIND_COORDINATOR_VERSION, &body)?;
        let answer = FindCoordinatorResponse::decode(FIND_COORDINATOR_VERSION, &mut Reader::new(&answer));
        let answer = answer.map_err(unreadable)?;
        match answer.coordinators.first().map(|coordinator| coordinator.error_code) {
            Some(code) if code.is_none() => return Ok(()),
            code if watch.elapsed() > FOUND_WITHIN => {
                return Err(Failure::Answer(format!("there is no coordinator: {code:?}")));
            }
            _ => pause(RETRY_AFTER),
        }
    }
}
