//! DescribeLogDirs: where a node keeps its partitions, and how large they are (KIP-113, KIP-827).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { DescribeLogDirsRequest<'a>, DescribeLogDirs, versions 1..=4 }
message! { DescribeLogDirsResponse<'a>, DescribeLogDirs, versions 1..=4 }

structs! {
    /// What to describe.
    pub struct DescribeLogDirsRequest<'a> {
        /// The topics; null for all.
        pub topics: Option<Vec<DescribableLogDirTopic<'a>>> = Some(Vec::new()),
    }

    /// A topic to describe.
    pub struct DescribableLogDirTopic<'a> {
        /// Name of the topic.
        pub topic: &'a str,
        /// Indexes of its partitions.
        pub partitions: Vec<i32>,
    }

    /// The node's directories.
    pub struct DescribeLogDirsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// What went wrong.
        pub error_code: ErrorCode [3..],
        /// Results by directory.
        pub results: Vec<DescribeLogDirsResult<'a>>,
    }

    /// A directory.
    pub struct DescribeLogDirsResult<'a> {
        /// What is wrong with it.
        pub error_code: ErrorCode,
        /// Its absolute path.
        pub log_dir: Cow<'a, str>,
        /// The topics that have partitions in it.
        pub topics: Vec<DescribeLogDirsTopic<'a>>,
        /// Size of its file system, -1 if unknown.
        pub total_bytes: i64 [4..] = -1,
        /// What the node may still use of it, -1 if unknown.
        pub usable_bytes: i64 [4..] = -1,
    }

    /// A topic in a directory.
    pub struct DescribeLogDirsTopic<'a> {
        /// Name of the topic.
        pub name: Cow<'a, str>,
        /// Its partitions there.
        pub partitions: Vec<DescribeLogDirsPartition>,
    }

    /// A partition in a directory.
    pub struct DescribeLogDirsPartition {
        /// Index of the partition.
        pub partition_index: i32,
        /// Bytes of its segments.
        pub partition_size: i64,
        /// How far it lies behind, in offsets.
        pub offset_lag: i64,
        /// Whether it is a copy that will replace the partition in another directory.
        pub is_future_key: bool,
    }
}
