//! The list of messages and versions under test, written out here so that it checks the list in the crate.

/// Calls a macro with `test_name: module::Message, Key, versions;` for every message, requests and responses.
macro_rules! for_each_message {
    ($callback:ident) => {
        $callback! {
            produce_request: produce::ProduceRequest, Produce, 3..=13;
            produce_response: produce::ProduceResponse, Produce, 0..=13;
            fetch_request: fetch::FetchRequest, Fetch, 4..=18;
            fetch_response: fetch::FetchResponse, Fetch, 4..=18;
            list_offsets_request: list_offsets::ListOffsetsRequest, ListOffsets, 1..=10;
            list_offsets_response: list_offsets::ListOffsetsResponse, ListOffsets, 1..=10;
            metadata_request: metadata::MetadataRequest, Metadata, 0..=13;
            metadata_response: metadata::MetadataResponse, Metadata, 0..=13;
            offset_commit_request: offset_commit::OffsetCommitRequest, OffsetCommit, 2..=10;
            offset_commit_response: offset_commit::OffsetCommitResponse, OffsetCommit, 2..=10;
            offset_fetch_request: offset_fetch::OffsetFetchRequest, OffsetFetch, 1..=10;
            offset_fetch_response: offset_fetch::OffsetFetchResponse, OffsetFetch, 1..=10;
            find_coordinator_request: find_coordinator::FindCoordinatorRequest, FindCoordinator, 0..=6;
            find_coordinator_response: find_coordinator::FindCoordinatorResponse, FindCoordinator, 0..=6;
            join_group_request: join_group::JoinGroupRequest, JoinGroup, 0..=9;
            join_group_response: join_group::JoinGroupResponse, JoinGroup, 0..=9;
            heartbeat_request: heartbeat::HeartbeatRequest, Heartbeat, 0..=4;
            heartbeat_response: heartbeat::HeartbeatResponse, Heartbeat, 0..=4;
            leave_group_request: leave_group::LeaveGroupRequest, LeaveGroup, 0..=5;
            leave_group_response: leave_group::LeaveGroupResponse, LeaveGroup, 0..=5;
            sync_group_request: sync_group::SyncGroupRequest, SyncGroup, 0..=5;
            sync_group_response: sync_group::SyncGroupResponse, SyncGroup, 0..=5;
            describe_groups_request: describe_groups::DescribeGroupsRequest, DescribeGroups, 0..=6;
            describe_groups_response: describe_groups::DescribeGroupsResponse, DescribeGroups, 0..=6;
            list_groups_request: list_groups::ListGroupsRequest, ListGroups, 0..=5;
            list_groups_response: list_groups::ListGroupsResponse, ListGroups, 0..=5;
            delete_groups_request: delete_groups::DeleteGroupsRequest, DeleteGroups, 0..=2;
            delete_groups_response: delete_groups::DeleteGroupsResponse, DeleteGroups, 0..=2;
            offset_delete_request: offset_delete::OffsetDeleteRequest, OffsetDelete, 0..=0;
            offset_delete_response: offset_delete::OffsetDeleteResponse, OffsetDelete, 0..=0;
            api_versions_request: api_versions::ApiVersionsRequest, ApiVersions, 0..=4;
            api_versions_response: api_versions::ApiVersionsResponse, ApiVersions, 0..=4;
            create_topics_request: create_topics::CreateTopicsRequest, CreateTopics, 2..=7;
            create_topics_response: create_topics::CreateTopicsResponse, CreateTopics, 2..=7;
            delete_topics_request: delete_topics::DeleteTopicsRequest, DeleteTopics, 1..=6;
            delete_topics_response: delete_topics::DeleteTopicsResponse, DeleteTopics, 1..=6;
            delete_records_request: delete_records::DeleteRecordsRequest, DeleteRecords, 0..=2;
            delete_records_response: delete_records::DeleteRecordsResponse, DeleteRecords, 0..=2;
            init_producer_id_request: init_producer_id::InitProducerIdRequest, InitProducerId, 0..=5;
            init_producer_id_response: init_producer_id::InitProducerIdResponse, InitProducerId, 0..=5;
            offset_for_leader_epoch_request:
                offset_for_leader_epoch::OffsetForLeaderEpochRequest, OffsetForLeaderEpoch, 2..=4;
            offset_for_leader_epoch_response:
                offset_for_leader_epoch::OffsetForLeaderEpochResponse, OffsetForLeaderEpoch, 2..=4;
            describe_configs_request: describe_configs::DescribeConfigsRequest, DescribeConfigs, 1..=4;
            describe_configs_response: describe_configs::DescribeConfigsResponse, DescribeConfigs, 1..=4;
            describe_producers_request: describe_producers::DescribeProducersRequest, DescribeProducers, 0..=0;
            describe_producers_response: describe_producers::DescribeProducersResponse, DescribeProducers, 0..=0;
            describe_acls_request: describe_acls::DescribeAclsRequest, DescribeAcls, 1..=3;
            describe_acls_response: describe_acls::DescribeAclsResponse, DescribeAcls, 1..=3;
            create_acls_request: create_acls::CreateAclsRequest, CreateAcls, 1..=3;
            create_acls_response: create_acls::CreateAclsResponse, CreateAcls, 1..=3;
            delete_acls_request: delete_acls::DeleteAclsRequest, DeleteAcls, 1..=3;
            delete_acls_response: delete_acls::DeleteAclsResponse, DeleteAcls, 1..=3;
            alter_configs_request: alter_configs::AlterConfigsRequest, AlterConfigs, 0..=2;
            alter_configs_response: alter_configs::AlterConfigsResponse, AlterConfigs, 0..=2;
            describe_log_dirs_request: describe_log_dirs::DescribeLogDirsRequest, DescribeLogDirs, 1..=4;
            describe_log_dirs_response: describe_log_dirs::DescribeLogDirsResponse, DescribeLogDirs, 1..=4;
            create_partitions_request: create_partitions::CreatePartitionsRequest, CreatePartitions, 0..=3;
            create_partitions_response: create_partitions::CreatePartitionsResponse, CreatePartitions, 0..=3;
            elect_leaders_request: elect_leaders::ElectLeadersRequest, ElectLeaders, 0..=2;
            elect_leaders_response: elect_leaders::ElectLeadersResponse, ElectLeaders, 0..=2;
            incremental_alter_configs_request: incremental_alter_configs::IncrementalAlterConfigsRequest, IncrementalAlterConfigs, 0..=1;
            incremental_alter_configs_response: incremental_alter_configs::IncrementalAlterConfigsResponse, IncrementalAlterConfigs, 0..=1;
            alter_partition_reassignments_request: alter_partition_reassignments::AlterPartitionReassignmentsRequest, AlterPartitionReassignments, 0..=1;
            alter_partition_reassignments_response: alter_partition_reassignments::AlterPartitionReassignmentsResponse, AlterPartitionReassignments, 0..=1;
            list_partition_reassignments_request: list_partition_reassignments::ListPartitionReassignmentsRequest, ListPartitionReassignments, 0..=0;
            list_partition_reassignments_response: list_partition_reassignments::ListPartitionReassignmentsResponse, ListPartitionReassignments, 0..=0;
            list_config_resources_request: list_config_resources::ListConfigResourcesRequest, ListConfigResources, 0..=1;
            list_config_resources_response: list_config_resources::ListConfigResourcesResponse, ListConfigResources, 0..=1;
            describe_topic_partitions_request: describe_topic_partitions::DescribeTopicPartitionsRequest, DescribeTopicPartitions, 0..=0;
            describe_topic_partitions_response: describe_topic_partitions::DescribeTopicPartitionsResponse, DescribeTopicPartitions, 0..=0;
            consumer_group_heartbeat_request: consumer_group_heartbeat::ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeat, 0..=1;
            consumer_group_heartbeat_response: consumer_group_heartbeat::ConsumerGroupHeartbeatResponse, ConsumerGroupHeartbeat, 0..=1;
            consumer_group_describe_request: consumer_group_describe::ConsumerGroupDescribeRequest, ConsumerGroupDescribe, 0..=1;
            consumer_group_describe_response: consumer_group_describe::ConsumerGroupDescribeResponse, ConsumerGroupDescribe, 0..=1;
            describe_client_quotas_request: describe_client_quotas::DescribeClientQuotasRequest, DescribeClientQuotas, 0..=1;
            describe_client_quotas_response: describe_client_quotas::DescribeClientQuotasResponse, DescribeClientQuotas, 0..=1;
            alter_client_quotas_request: alter_client_quotas::AlterClientQuotasRequest, AlterClientQuotas, 0..=1;
            alter_client_quotas_response: alter_client_quotas::AlterClientQuotasResponse, AlterClientQuotas, 0..=1;
            describe_cluster_request: describe_cluster::DescribeClusterRequest, DescribeCluster, 0..=2;
            describe_cluster_response: describe_cluster::DescribeClusterResponse, DescribeCluster, 0..=2;
        }
    };
}
pub(crate) use for_each_message;
