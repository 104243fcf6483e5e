//! The command line that talks to a running cluster, over the Kafka protocol, and to a node's metrics. Nothing here runs in a server.

mod client;
mod cluster;
mod config;
mod group;
mod group_describe;
mod group_reset;
mod latency;
mod latency_report;
mod moment;
mod partition_offsets;
mod quota;
mod report;
mod report_cluster;
mod report_config;
mod report_group;
mod report_quota;
mod reset_target;
pub(crate) mod table;
mod topic;
mod topic_describe;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::client::AdminError;
use self::config::{Whose, Wish};
pub use self::latency::{LatencyArgs, latency};
use self::quota::Whom;
use self::report::Report;

/// What every command that talks to a cluster takes.
#[derive(Args, Debug)]
struct Connection {
    /// A node of the cluster
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    bootstrap: String,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}

/// Arguments of `ringmain topic`.
#[derive(Args, Debug)]
pub struct TopicArgs {
    #[command(subcommand)]
    command: TopicCommand,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand, Debug)]
enum TopicCommand {
    /// Create topics.
    Create {
        /// Names of the topics
        #[arg(required = true, value_name = "TOPIC")]
        names: Vec<String>,
        /// Partitions of each [default: the broker's num.partitions]
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// A setting, for example ringmain.durability=relaxed; may be given several times
        #[arg(long = "config", value_name = "KEY=VALUE")]
        configs: Vec<String>,
        /// Succeed if a topic exists already
        #[arg(long)]
        if_not_exists: bool,
        /// Only check whether it would work
        #[arg(long)]
        validate_only: bool,
    },
    /// List topics.
    List {
        /// Include the cluster's own topics
        #[arg(long)]
        internal: bool,
    },
    /// Show partitions, leaders, offsets, sizes, and the settings that were made.
    Describe {
        /// Names of the topics [default: all]
        #[arg(value_name = "TOPIC")]
        names: Vec<String>,
    },
    /// Change settings of topics while they are used.
    Alter {
        /// Names of the topics
        #[arg(required = true, value_name = "TOPIC")]
        names: Vec<String>,
        /// A setting, for example retention.ms=3600000; may be given several times
        #[arg(long = "config", value_name = "KEY=VALUE")]
        configs: Vec<String>,
        /// A setting that goes back to its default; may be given several times
        #[arg(long = "delete-config", value_name = "KEY", required_unless_present = "configs")]
        deleted: Vec<String>,
        /// Only check whether it would work
        #[arg(long)]
        validate_only: bool,
    },
    /// Give topics more partitions. Records with a key go to other partitions than before from then on.
    AddPartitions {
        /// Names of the topics
        #[arg(required = true, value_name = "TOPIC")]
        names: Vec<String>,
        /// Partitions that each is to have in all
        #[arg(long = "to", value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..))]
        count: i32,
        /// Only check whether it would work
        #[arg(long)]
        validate_only: bool,
    },
    /// Delete topics with all their records.
    Delete {
        /// Names of the topics
        #[arg(required = true, value_name = "TOPIC")]
        names: Vec<String>,
        /// Succeed if a topic does not exist
        #[arg(long)]
        if_exists: bool,
    },
}

/// Arguments of `ringmain config`.
#[derive(Args, Debug)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand, Debug)]
enum ConfigCommand {
    /// Show settings and where their values come from.
    Describe {
        #[command(flatten)]
        whose: WhoseArgs,
        /// Names of the settings [default: those that were set]
        #[arg(value_name = "KEY")]
        keys: Vec<String>,
        /// Show the defaults as well
        #[arg(long)]
        all: bool,
    },
    /// Change settings; all of them are changed, or none.
    Set {
        #[command(flatten)]
        whose: WhoseArgs,
        /// The settings, for example retention.ms=3600000
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
        /// Only check whether it would work
        #[arg(long)]
        validate_only: bool,
    },
    /// Let settings go back to their defaults.
    Delete {
        #[command(flatten)]
        whose: WhoseArgs,
        /// Names of the settings
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
        /// Only check whether it would work
        #[arg(long)]
        validate_only: bool,
    },
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct WhoseArgs {
    /// The settings of a topic; may be given several times
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// The settings of one broker
    #[arg(long, value_name = "ID")]
    broker: Option<i32>,
    /// The settings that all brokers share
    #[arg(long)]
    all_brokers: bool,
    /// The settings of one consumer group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
}

/// Arguments of `ringmain cluster`.
#[derive(Args, Debug)]
pub struct ClusterArgs {
    #[command(subcommand)]
    command: ClusterCommand,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand, Debug)]
enum ClusterCommand {
    /// Show the nodes, who takes changes, and how the partitions are.
    Describe,
    /// Show where each node keeps its partitions, how much room is left there, and which topics take most.
    Dirs,
}

/// Arguments of `ringmain group`.
#[derive(Args, Debug)]
pub struct GroupArgs {
    #[command(subcommand)]
    command: GroupCommand,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand, Debug)]
enum GroupCommand {
    /// List the groups of all nodes.
    List,
    /// Show members, what each was given, committed offsets, and how far they are behind.
    Describe {
        /// Names of the groups
        #[arg(required = true, value_name = "GROUP")]
        names: Vec<String>,
    },
    /// Delete groups without members, with all that they committed.
    Delete {
        /// Names of the groups
        #[arg(required = true, value_name = "GROUP")]
        names: Vec<String>,
    },
    /// Move what a group without members has committed.
    ///
    /// For example: ringmain group reset billing --all-topics --to datetime 2026-11-27T13:00:00Z --dry-run
    #[command(
        override_usage = "ringmain group reset <GROUP> <--topic TOPIC[:PARTITION,...]|--all-topics> --to <WHERE>"
    )]
    Reset {
        /// Name of the group
        #[arg(value_name = "GROUP")]
        name: String,
        #[command(flatten)]
        which: WhichTopics,
        /// earliest, latest, offset N, datetime MOMENT (2026-11-27T13:00:00Z or milliseconds since 1970), or shift-by N
        #[arg(long, value_name = "WHERE", num_args = 1..=2, required = true, allow_negative_numbers = true)]
        to: Vec<String>,
        /// Only show what would be committed
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct WhichTopics {
    /// A topic, with partitions or without for all of them, for example orders:0,2; may be given several times
    #[arg(long = "topic", value_name = "TOPIC[:PARTITION,...]")]
    topics: Vec<String>,
    /// All that the group has committed
    #[arg(long)]
    all_topics: bool,
}

/// Arguments of `ringmain quota`.
#[derive(Args, Debug)]
pub struct QuotaArgs {
    #[command(subcommand)]
    command: QuotaCommand,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Subcommand, Debug)]
enum QuotaCommand {
    /// List quotas: all, or those of some.
    List {
        #[command(flatten)]
        whom: WhomArgs,
    },
    /// Set quotas; all of them are set, or none.
    ///
    /// For example: ringmain quota set --client-id billing producer_byte_rate=1M request_percentage=20
    Set {
        #[command(flatten)]
        whom: WhomArgs,
        /// producer_byte_rate, consumer_byte_rate (bytes a second; K, M and G count in 1024), request_percentage (of one core's time),
        /// controller_mutation_rate, or for an address connection_creation_rate
        #[arg(required = true, value_name = "QUOTA=NUMBER")]
        quotas: Vec<String>,
        /// Only check whether it would work
        #[arg(long)]
        validate_only: bool,
    },
    /// Take quotas away.
    Delete {
        #[command(flatten)]
        whom: WhomArgs,
        /// Names of the quotas
        #[arg(required = true, value_name = "QUOTA")]
        quotas: Vec<String>,
        /// Only check whether it would work
        #[arg(long)]
        validate_only: bool,
    },
}

/// An empty name stands for all of the kind that have no quota of their own.
#[derive(Args, Debug)]
struct WhomArgs {
    /// A user, "" for all others; without authentication all clients are ANONYMOUS
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// A client by the id it gives itself, "" for all others
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// An address, "" for all others
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
}

impl From<WhomArgs> for Whom {
    fn from(args: WhomArgs) -> Self {
        Self { user: args.user, client_id: args.client_id, ip: args.ip }
    }
}

/// Carries out `ringmain topic`: the result goes to standard output, errors go to standard error.
pub fn topic(args: TopicArgs) -> ExitCode {
    let TopicArgs { command, connection } = args;
    let bootstrap = &connection.bootstrap;
    connection.finish(match command {
        TopicCommand::Create { names, partitions, configs, if_not_exists, validate_only } => {
            let order = topic::Create { names, partitions, configs, if_not_exists, validate_only };
            topic::create(bootstrap, &order)
        }
        TopicCommand::List { internal } => topic::list(bootstrap, internal),
        TopicCommand::Describe { names } => topic_describe::describe(bootstrap, &names),
        TopicCommand::Alter { names, configs, deleted, validate_only } => {
            alter(bootstrap, &Whose::Topics(names), &configs, &deleted, validate_only)
        }
        TopicCommand::AddPartitions { names, count, validate_only } => {
            topic::add_partitions(bootstrap, &names, count, validate_only)
        }
        TopicCommand::Delete { names, if_exists } => topic::delete(bootstrap, &names, if_exists),
    })
}

/// Carries out `ringmain config`.
pub fn config(args: ConfigArgs) -> ExitCode {
    let ConfigArgs { command, connection } = args;
    let bootstrap = &connection.bootstrap;
    connection.finish(match command {
        ConfigCommand::Describe { whose, keys, all } => config::describe(bootstrap, &whose.into(), &keys, all),
        ConfigCommand::Set { whose, settings, validate_only } => {
            alter(bootstrap, &whose.into(), &settings, &[], validate_only)
        }
        ConfigCommand::Delete { whose, keys, validate_only } => {
            alter(bootstrap, &whose.into(), &[], &keys, validate_only)
        }
    })
}

/// Carries out `ringmain cluster`.
pub fn cluster(args: ClusterArgs) -> ExitCode {
    let ClusterArgs { command, connection } = args;
    connection.finish(match command {
        ClusterCommand::Describe => cluster::describe(&connection.bootstrap),
        ClusterCommand::Dirs => cluster::directories(&connection.bootstrap),
    })
}

/// Carries out `ringmain group`.
pub fn group(args: GroupArgs) -> ExitCode {
    let GroupArgs { command, connection } = args;
    let bootstrap = &connection.bootstrap;
    connection.finish(match command {
        GroupCommand::List => group::list(bootstrap),
        GroupCommand::Describe { names } => group_describe::describe(bootstrap, &names),
        GroupCommand::Delete { names } => group::delete(bootstrap, &names),
        GroupCommand::Reset { name, which, to, dry_run } => {
            // clap lets nobody through with neither topics nor --all-topics.
            let order = group_reset::Reset { group: name, topics: which.topics, to, dry_run };
            group_reset::reset(bootstrap, &order)
        }
    })
}

/// Carries out `ringmain quota`.
pub fn quota(args: QuotaArgs) -> ExitCode {
    let QuotaArgs { command, connection } = args;
    let bootstrap = &connection.bootstrap;
    connection.finish(match command {
        QuotaCommand::List { whom } => quota::list(bootstrap, &whom.into()),
        QuotaCommand::Set { whom, quotas, validate_only } => {
            quota::set(bootstrap, &whom.into(), &quotas, validate_only)
        }
        QuotaCommand::Delete { whom, quotas, validate_only } => {
            quota::delete(bootstrap, &whom.into(), &quotas, validate_only)
        }
    })
}

fn alter(
    bootstrap: &str,
    whose: &Whose,
    set: &[String],
    unset: &[String],
    validate_only: bool,
) -> Result<Report, AdminError> {
    let mut wishes = set.iter().map(|text| Wish::set(text)).collect::<Result<Vec<_>, _>>()?;
    wishes.extend(unset.iter().map(|key| Wish::unset(key)));
    config::alter(bootstrap, whose, &wishes, validate_only)
}

impl From<WhoseArgs> for Whose {
    fn from(args: WhoseArgs) -> Self {
        if let Some(group) = args.group {
            return Self::Group(group);
        }
        match args.broker {
            Some(id) => Self::Broker(id),
            None if args.all_brokers => Self::AllBrokers,
            None => Self::Topics(args.topics),
        }
    }
}

impl Connection {
    fn finish(&self, done: Result<Report, AdminError>) -> ExitCode {
        match done {
            Ok(report) => {
                print!("{}", report.text(self.json));
                match report.failure() {
                    None => ExitCode::SUCCESS,
                    Some(failure) => fail(&failure),
                }
            }
            Err(error) => fail(&error),
        }
    }
}

fn fail(error: &AdminError) -> ExitCode {
    eprintln!("ringmain: {error}");
    ExitCode::FAILURE
}
