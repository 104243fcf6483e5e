//! Bounds of quotas and connections.

use std::time::Duration;

/// Entities with quotas.
pub const ENTITIES_MAX: usize = 10_000;
/// Bytes of a user's, a client's or an address's name in a quota.
pub const ENTITY_NAME_BYTES_MAX: usize = 1_024;

/// What may be used at once after a time of rest, in units of time at the quota's rate. Kafka's ten windows of a second let ten times as much through.
pub const BURST: Duration = Duration::from_secs(1);
/// The same for partitions that come and go. Whoever sets up an application creates all of its topics at once, so this is as much as in Kafka.
pub const MUTATION_BURST: Duration = Duration::from_secs(10);
/// Longest time that a client is made to wait for one request. It only bounds what is written into an answer: no client waits for a day.
pub const THROTTLE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Allowances that a node keeps: one for each quota and, where clients do not share it, for each client's name. Names are the clients' choice, so beyond
/// this number they share one.
pub const ALLOWANCES_MAX: usize = 10_000;
/// Clients whose bounds a shard remembers, so that it need not look for them at each request.
pub const CLIENTS_REMEMBERED_MAX: usize = 4_096;

/// Kafka has no default for these; a node is not to be taken up by one machine.
pub const CONNECTIONS_PER_IP_MAX_DEFAULT: u32 = 10_000;
pub const CONNECTIONS_CEILING: u32 = 10_000_000;
/// Connections that all shards together accept in a second; those beyond wait in the socket's backlog.
pub const CONNECTION_RATE_MAX_DEFAULT: u32 = 5_000;

const _: () = assert!(
    MUTATION_BURST.as_nanos() >= BURST.as_nanos(),
    "an allowance that has rested for the longest burst is as good as new"
);
