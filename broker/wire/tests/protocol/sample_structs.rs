//! Names the fields of every struct, so that [`Sample`](crate::sample::Sample) can make values of it.

use crate::sample::{Sample, Source};

macro_rules! sample_structs {
    ($module:ident: $($name:ident $(<$lifetime:lifetime>)? { $($field:ident),* })*) => {$(
        impl Sample for wire::$module::$name $(<$lifetime>)? {
            fn sample(source: &mut Source) -> Self {
                Self { $($field: Sample::sample(source)),* }
            }
        }
    )*};
}

sample_structs! { api_versions:
    ApiVersionsRequest<'static> { client_software_name, client_software_version }
    ApiVersionsResponse<'static> {
        error_code, api_keys, throttle_time_ms, supported_features, finalized_features_epoch,
        finalized_features, zk_migration_ready
    }
    ApiVersion { api_key, min_version, max_version }
    SupportedFeatureKey<'static> { name, min_version, max_version }
    FinalizedFeatureKey<'static> { name, max_version_level, min_version_level }
}

sample_structs! { create_topics:
    CreateTopicsRequest<'static> { topics, timeout_ms, validate_only }
    CreatableTopic<'static> { name, num_partitions, replication_factor, assignments, configs }
    CreatableReplicaAssignment { partition_index, broker_ids }
    CreatableTopicConfig<'static> { name, value }
    CreateTopicsResponse<'static> { throttle_time_ms, topics }
    CreatableTopicResult<'static> {
        name, topic_id, error_code, error_message, topic_config_error_code, num_partitions,
        replication_factor, configs
    }
    CreatableTopicConfigs<'static> { name, value, read_only, config_source, is_sensitive }
}

sample_structs! { delete_groups:
    DeleteGroupsRequest<'static> { groups_names }
    DeleteGroupsResponse<'static> { throttle_time_ms, results }
    DeletableGroupResult<'static> { group_id, error_code }
}

sample_structs! { delete_records:
    DeleteRecordsRequest<'static> { topics, timeout_ms }
    DeleteRecordsTopic<'static> { name, partitions }
    DeleteRecordsPartition { partition_index, offset }
    DeleteRecordsResponse<'static> { throttle_time_ms, topics }
    DeleteRecordsTopicResult<'static> { name, partitions }
    DeleteRecordsPartitionResult { partition_index, low_watermark, error_code }
}

sample_structs! { delete_topics:
    DeleteTopicsRequest<'static> { topics, topic_names, timeout_ms }
    DeleteTopicState<'static> { name, topic_id }
    DeleteTopicsResponse<'static> { throttle_time_ms, responses }
    DeletableTopicResult<'static> { name, topic_id, error_code, error_message }
}

sample_structs! { describe_cluster:
    DescribeClusterRequest { include_cluster_authorized_operations, endpoint_type, include_fenced_brokers }
    DescribeClusterResponse<'static> {
        throttle_time_ms, error_code, error_message, endpoint_type, cluster_id, controller_id, brokers,
        cluster_authorized_operations
    }
    DescribeClusterBroker<'static> { broker_id, host, port, rack, is_fenced }
}

sample_structs! { describe_configs:
    DescribeConfigsRequest<'static> { resources, include_synonyms, include_documentation }
    DescribeConfigsResource<'static> { resource_type, resource_name, configuration_keys }
    DescribeConfigsResponse<'static> { throttle_time_ms, results }
    DescribeConfigsResult<'static> { error_code, error_message, resource_type, resource_name, configs }
    DescribeConfigsResourceResult<'static> {
        name, value, read_only, config_source, is_sensitive, synonyms, config_type, documentation
    }
    DescribeConfigsSynonym<'static> { name, value, source }
}

sample_structs! { describe_groups:
    DescribeGroupsRequest<'static> { groups, include_authorized_operations }
    DescribeGroupsResponse<'static> { throttle_time_ms, groups }
    DescribedGroup<'static> {
        error_code, error_message, group_id, group_state, protocol_type, protocol_data, members, authorized_operations
    }
    DescribedGroupMember<'static> {
        member_id, group_instance_id, client_id, client_host, member_metadata, member_assignment
    }
}

sample_structs! { consumer_group_heartbeat:
    ConsumerGroupHeartbeatRequest<'static> {
        group_id, member_id, member_epoch, instance_id, rack_id, rebalance_timeout_ms, subscribed_topic_names,
        subscribed_topic_regex, server_assignor, topic_partitions
    }
    TopicPartitions { topic_id, partitions }
    ConsumerGroupHeartbeatResponse<'static> {
        throttle_time_ms, error_code, error_message, member_id, member_epoch, heartbeat_interval_ms, assignment
    }
    Assignment { topic_partitions }
}

sample_structs! { consumer_group_describe:
    ConsumerGroupDescribeRequest<'static> { group_ids, include_authorized_operations }
    ConsumerGroupDescribeResponse<'static> { throttle_time_ms, groups }
    DescribedGroup<'static> {
        error_code, error_message, group_id, group_state, group_epoch, assignment_epoch, assignor_name, members,
        authorized_operations
    }
    Member<'static> {
        member_id, instance_id, rack_id, member_epoch, client_id, client_host, subscribed_topic_names,
        subscribed_topic_regex, assignment, target_assignment, member_type
    }
    Assignment<'static> { topic_partitions }
    TopicPartitions<'static> { topic_id, topic_name, partitions }
}

sample_structs! { fetch:
    FetchRequest<'static> {
        cluster_id, replica_id, replica_state, max_wait_ms, min_bytes, max_bytes, isolation_level, session_id,
        session_epoch, topics, forgotten_topics_data, rack_id
    }
    FetchTopic<'static> { topic, topic_id, partitions }
    FetchPartition {
        partition, current_leader_epoch, fetch_offset, last_fetched_epoch, log_start_offset,
        partition_max_bytes, replica_directory_id, high_watermark
    }
    ReplicaState { replica_id, replica_epoch }
    ForgottenTopic<'static> { topic, topic_id, partitions }
    FetchResponse<'static> { throttle_time_ms, error_code, session_id, responses, node_endpoints }
    NodeEndpoint<'static> { node_id, host, port, rack }
    FetchableTopicResponse<'static> { topic, topic_id, partitions }
    PartitionData<'static> {
        partition_index, error_code, high_watermark, last_stable_offset, log_start_offset, diverging_epoch,
        current_leader, snapshot_id, aborted_transactions, preferred_read_replica, records
    }
    EpochEndOffset { epoch, end_offset }
    LeaderIdAndEpoch { leader_id, leader_epoch }
    SnapshotId { end_offset, epoch }
    AbortedTransaction { producer_id, first_offset }
}

sample_structs! { find_coordinator:
    FindCoordinatorRequest<'static> { key, key_type, coordinator_keys }
    FindCoordinatorResponse<'static> {
        throttle_time_ms, error_code, error_message, node_id, host, port, coordinators
    }
    Coordinator<'static> { key, node_id, host, port, error_code, error_message }
}

sample_structs! { heartbeat:
    HeartbeatRequest<'static> { group_id, generation_id, member_id, group_instance_id }
    HeartbeatResponse { throttle_time_ms, error_code }
}

sample_structs! { init_producer_id:
    InitProducerIdRequest<'static> { transactional_id, transaction_timeout_ms, producer_id, producer_epoch }
    InitProducerIdResponse { throttle_time_ms, error_code, producer_id, producer_epoch }
}

sample_structs! { join_group:
    JoinGroupRequest<'static> {
        group_id, session_timeout_ms, rebalance_timeout_ms, member_id, group_instance_id, protocol_type, protocols, reason
    }
    JoinGroupRequestProtocol<'static> { name, metadata }
    JoinGroupResponse<'static> {
        throttle_time_ms, error_code, generation_id, protocol_type, protocol_name, leader, skip_assignment, member_id,
        members
    }
    JoinGroupResponseMember<'static> { member_id, group_instance_id, metadata }
}

sample_structs! { leave_group:
    LeaveGroupRequest<'static> { group_id, member_id, members }
    MemberIdentity<'static> { member_id, group_instance_id, reason }
    LeaveGroupResponse<'static> { throttle_time_ms, error_code, members }
    MemberResponse<'static> { member_id, group_instance_id, error_code }
}

sample_structs! { list_config_resources:
    ListConfigResourcesRequest { resource_types }
    ListConfigResourcesResponse<'static> { throttle_time_ms, error_code, config_resources }
    ConfigResource<'static> { resource_name, resource_type }
}

sample_structs! { list_groups:
    ListGroupsRequest<'static> { states_filter, types_filter }
    ListGroupsResponse<'static> { throttle_time_ms, error_code, groups }
    ListedGroup<'static> { group_id, protocol_type, group_state, group_type }
}

sample_structs! { list_offsets:
    ListOffsetsRequest<'static> { replica_id, isolation_level, topics, timeout_ms }
    ListOffsetsTopic<'static> { name, partitions }
    ListOffsetsPartition { partition_index, current_leader_epoch, timestamp }
    ListOffsetsResponse<'static> { throttle_time_ms, topics }
    ListOffsetsTopicResponse<'static> { name, partitions }
    ListOffsetsPartitionResponse { partition_index, error_code, timestamp, offset, leader_epoch }
}

sample_structs! { metadata:
    MetadataRequest<'static> {
        topics, allow_auto_topic_creation, include_cluster_authorized_operations,
        include_topic_authorized_operations
    }
    MetadataRequestTopic<'static> { topic_id, name }
    MetadataResponse<'static> {
        throttle_time_ms, brokers, cluster_id, controller_id, topics, cluster_authorized_operations,
        error_code
    }
    MetadataResponseBroker<'static> { node_id, host, port, rack }
    MetadataResponseTopic<'static> {
        error_code, name, topic_id, is_internal, partitions, topic_authorized_operations
    }
    MetadataResponsePartition {
        error_code, partition_index, leader_id, leader_epoch, replica_nodes, isr_nodes, offline_replicas
    }
}

sample_structs! { offset_commit:
    OffsetCommitRequest<'static> {
        group_id, generation_id_or_member_epoch, member_id, group_instance_id, retention_time_ms, topics
    }
    OffsetCommitRequestTopic<'static> { name, topic_id, partitions }
    OffsetCommitRequestPartition<'static> {
        partition_index, committed_offset, committed_leader_epoch, committed_metadata
    }
    OffsetCommitResponse<'static> { throttle_time_ms, topics }
    OffsetCommitResponseTopic<'static> { name, topic_id, partitions }
    OffsetCommitResponsePartition { partition_index, error_code }
}

sample_structs! { offset_delete:
    OffsetDeleteRequest<'static> { group_id, topics }
    OffsetDeleteRequestTopic<'static> { name, partitions }
    OffsetDeleteRequestPartition { partition_index }
    OffsetDeleteResponse<'static> { error_code, throttle_time_ms, topics }
    OffsetDeleteResponseTopic<'static> { name, partitions }
    OffsetDeleteResponsePartition { partition_index, error_code }
}

sample_structs! { offset_fetch:
    OffsetFetchRequest<'static> { group_id, topics, groups, require_stable }
    OffsetFetchRequestTopic<'static> { name, partition_indexes }
    OffsetFetchRequestGroup<'static> { group_id, member_id, member_epoch, topics }
    OffsetFetchRequestTopics<'static> { name, topic_id, partition_indexes }
    OffsetFetchResponse<'static> { throttle_time_ms, topics, error_code, groups }
    OffsetFetchResponseTopic<'static> { name, partitions }
    OffsetFetchResponsePartition<'static> {
        partition_index, committed_offset, committed_leader_epoch, metadata, error_code
    }
    OffsetFetchResponseGroup<'static> { group_id, topics, error_code }
    OffsetFetchResponseTopics<'static> { name, topic_id, partitions }
    OffsetFetchResponsePartitions<'static> {
        partition_index, committed_offset, committed_leader_epoch, metadata, error_code
    }
}

sample_structs! { offset_for_leader_epoch:
    OffsetForLeaderEpochRequest<'static> { replica_id, topics }
    OffsetForLeaderTopic<'static> { topic, partitions }
    OffsetForLeaderPartition { partition, current_leader_epoch, leader_epoch }
    OffsetForLeaderEpochResponse<'static> { throttle_time_ms, topics }
    OffsetForLeaderTopicResult<'static> { topic, partitions }
    EpochEndOffset { error_code, partition, leader_epoch, end_offset }
}

sample_structs! { produce:
    ProduceRequest<'static> { transactional_id, acks, timeout_ms, topic_data }
    TopicProduceData<'static> { name, topic_id, partition_data }
    PartitionProduceData<'static> { index, records }
    ProduceResponse<'static> { responses, throttle_time_ms, node_endpoints }
    TopicProduceResponse<'static> { name, topic_id, partition_responses }
    PartitionProduceResponse<'static> {
        index, error_code, base_offset, log_append_time_ms, log_start_offset, record_errors, error_message,
        current_leader
    }
    BatchIndexAndErrorMessage<'static> { batch_index, batch_index_error_message }
    LeaderIdAndEpoch { leader_id, leader_epoch }
    NodeEndpoint<'static> { node_id, host, port, rack }
}

sample_structs! { sync_group:
    SyncGroupRequest<'static> {
        group_id, generation_id, member_id, group_instance_id, protocol_type, protocol_name, assignments
    }
    SyncGroupRequestAssignment<'static> { member_id, assignment }
    SyncGroupResponse<'static> { throttle_time_ms, error_code, protocol_type, protocol_name, assignment }
}

sample_structs! { describe_producers:
    DescribeProducersRequest<'static> { topics }
    TopicRequest<'static> { name, partition_indexes }
    DescribeProducersResponse<'static> { throttle_time_ms, topics }
    TopicResponse<'static> { name, partitions }
    PartitionResponse<'static> { partition_index, error_code, error_message, active_producers }
    ProducerState {
        producer_id, producer_epoch, last_sequence, last_timestamp, coordinator_epoch, current_txn_start_offset
    }
}

sample_structs! { describe_acls:
    DescribeAclsRequest<'static> {
        resource_type_filter, resource_name_filter, pattern_type_filter, principal_filter, host_filter,
        operation, permission_type
    }
    DescribeAclsResponse<'static> { throttle_time_ms, error_code, error_message, resources }
    DescribeAclsResource<'static> { resource_type, resource_name, pattern_type, acls }
    AclDescription<'static> { principal, host, operation, permission_type }
}

sample_structs! { create_acls:
    CreateAclsRequest<'static> { creations }
    AclCreation<'static> {
        resource_type, resource_name, resource_pattern_type, principal, host, operation, permission_type
    }
    CreateAclsResponse<'static> { throttle_time_ms, results }
    AclCreationResult<'static> { error_code, error_message }
}

sample_structs! { delete_acls:
    DeleteAclsRequest<'static> { filters }
    DeleteAclsFilter<'static> {
        resource_type_filter, resource_name_filter, pattern_type_filter, principal_filter, host_filter,
        operation, permission_type
    }
    DeleteAclsResponse<'static> { throttle_time_ms, filter_results }
    DeleteAclsFilterResult<'static> { error_code, error_message, matching_acls }
    DeleteAclsMatchingAcl<'static> {
        error_code, error_message, resource_type, resource_name, pattern_type, principal, host, operation,
        permission_type
    }
}

sample_structs! { alter_configs:
    AlterConfigsRequest<'static> { resources, validate_only }
    AlterConfigsResource<'static> { resource_type, resource_name, configs }
    AlterableConfig<'static> { name, value }
    AlterConfigsResponse<'static> { throttle_time_ms, responses }
    AlterConfigsResourceResponse<'static> { error_code, error_message, resource_type, resource_name }
}

sample_structs! { describe_log_dirs:
    DescribeLogDirsRequest<'static> { topics }
    DescribableLogDirTopic<'static> { topic, partitions }
    DescribeLogDirsResponse<'static> { throttle_time_ms, error_code, results }
    DescribeLogDirsResult<'static> { error_code, log_dir, topics, total_bytes, usable_bytes }
    DescribeLogDirsTopic<'static> { name, partitions }
    DescribeLogDirsPartition { partition_index, partition_size, offset_lag, is_future_key }
}

sample_structs! { create_partitions:
    CreatePartitionsRequest<'static> { topics, timeout_ms, validate_only }
    CreatePartitionsTopic<'static> { name, count, assignments }
    CreatePartitionsAssignment { broker_ids }
    CreatePartitionsResponse<'static> { throttle_time_ms, results }
    CreatePartitionsTopicResult<'static> { name, error_code, error_message }
}

sample_structs! { elect_leaders:
    ElectLeadersRequest<'static> { election_type, topic_partitions, timeout_ms }
    TopicPartitions<'static> { topic, partitions }
    ElectLeadersResponse<'static> { throttle_time_ms, error_code, replica_election_results }
    ReplicaElectionResult<'static> { topic, partition_result }
    PartitionResult<'static> { partition_id, error_code, error_message }
}

sample_structs! { incremental_alter_configs:
    IncrementalAlterConfigsRequest<'static> { resources, validate_only }
    AlterConfigsResource<'static> { resource_type, resource_name, configs }
    AlterableConfig<'static> { name, config_operation, value }
    IncrementalAlterConfigsResponse<'static> { throttle_time_ms, responses }
    AlterConfigsResourceResponse<'static> { error_code, error_message, resource_type, resource_name }
}

sample_structs! { alter_partition_reassignments:
    AlterPartitionReassignmentsRequest<'static> { timeout_ms, allow_replication_factor_change, topics }
    ReassignableTopic<'static> { name, partitions }
    ReassignablePartition { partition_index, replicas }
    AlterPartitionReassignmentsResponse<'static> {
        throttle_time_ms, allow_replication_factor_change, error_code, error_message, responses
    }
    ReassignableTopicResponse<'static> { name, partitions }
    ReassignablePartitionResponse<'static> { partition_index, error_code, error_message }
}

sample_structs! { list_partition_reassignments:
    ListPartitionReassignmentsRequest<'static> { timeout_ms, topics }
    ListPartitionReassignmentsTopics<'static> { name, partition_indexes }
    ListPartitionReassignmentsResponse<'static> { throttle_time_ms, error_code, error_message, topics }
    OngoingTopicReassignment<'static> { name, partitions }
    OngoingPartitionReassignment { partition_index, replicas, adding_replicas, removing_replicas }
}

sample_structs! { describe_topic_partitions:
    DescribeTopicPartitionsRequest<'static> { topics, response_partition_limit, cursor }
    TopicRequest<'static> { name }
    Cursor<'static> { topic_name, partition_index }
    DescribeTopicPartitionsResponse<'static> { throttle_time_ms, topics, next_cursor }
    DescribeTopicPartitionsResponseTopic<'static> {
        error_code, name, topic_id, is_internal, partitions, topic_authorized_operations
    }
    DescribeTopicPartitionsResponsePartition {
        error_code, partition_index, leader_id, leader_epoch, replica_nodes, isr_nodes,
        eligible_leader_replicas, last_known_elr, offline_replicas
    }
}

sample_structs! { describe_client_quotas:
    DescribeClientQuotasRequest<'static> { components, strict }
    ComponentData<'static> { entity_type, match_type, _match }
    DescribeClientQuotasResponse<'static> { throttle_time_ms, error_code, error_message, entries }
    EntryData<'static> { entity, values }
    EntityData<'static> { entity_type, entity_name }
    ValueData<'static> { key, value }
}

sample_structs! { alter_client_quotas:
    AlterClientQuotasRequest<'static> { entries, validate_only }
    AlterEntryData<'static> { entity, ops }
    AlterEntityData<'static> { entity_type, entity_name }
    OpData<'static> { key, value, remove }
    AlterClientQuotasResponse<'static> { throttle_time_ms, entries }
    AlterEntryResponse<'static> { error_code, error_message, entity }
    AlteredEntityData<'static> { entity_type, entity_name }
}
