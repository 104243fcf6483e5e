//! The command line that talks to a running cluster, over the Kafka protocol. Nothing here runs in a server.

mod client;
mod report;
pub(crate) mod table;
mod topic;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use self::client::AdminError;

/// Arguments of `ringmain topic`.
#[derive(Args, Debug)]
pub struct TopicArgs {
    #[command(subcommand)]
    command: TopicCommand,
    /// A node of the cluster
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    bootstrap: String,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
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
    /// Show partitions, offsets and settings of topics.
    Describe {
        /// Names of the topics [default: all]
        #[arg(value_name = "TOPIC")]
        names: Vec<String>,
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

/// Carries out `ringmain topic`: the result goes to standard output, errors go to standard error.
pub fn topic(args: TopicArgs) -> ExitCode {
    let TopicArgs { command, bootstrap, json } = args;
    let done = match command {
        TopicCommand::Create { names, partitions, configs, if_not_exists, validate_only } => {
            let order = topic::Create { names, partitions, configs, if_not_exists, validate_only };
            topic::create(&bootstrap, &order)
        }
        TopicCommand::List { internal } => topic::list(&bootstrap, internal),
        TopicCommand::Describe { names } => topic::describe(&bootstrap, &names),
        TopicCommand::Delete { names, if_exists } => topic::delete(&bootstrap, &names, if_exists),
    };
    match done {
        Ok(report) => {
            print!("{}", report.text(json));
            match report.failure() {
                None => ExitCode::SUCCESS,
                Some(failure) => fail(&failure),
            }
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &AdminError) -> ExitCode {
    eprintln!("ringmain: {error}");
    ExitCode::FAILURE
}
