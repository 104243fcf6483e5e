"""confluent-kafka's AdminClient: one line of JSON for each thing it was told about a topic and the cluster."""

import json

from confluent_kafka import KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from records import read_spec

SECONDS_MAX = 60


def tell(step, result):
    print(json.dumps({"step": step, "result": result}), flush=True)


def outcome(future):
    """None for success, or the name of the error."""
    try:
        future.result(SECONDS_MAX)
        return None
    except KafkaException as error:
        return error.args[0].name()


def outcomes(futures):
    return {getattr(key, "name", key): outcome(future) for key, future in futures.items()}


def config(admin, kind, name, key):
    resource = ConfigResource(kind, name)
    entry = admin.describe_configs([resource], request_timeout=SECONDS_MAX)[resource].result(SECONDS_MAX)[key]
    return [entry.value, entry.is_default, entry.is_read_only]


def main():
    spec = read_spec()
    topic = spec["topic"]
    admin = AdminClient({"bootstrap.servers": spec["bootstrap"]})
    new = NewTopic(topic, num_partitions=2, config={"retention.ms": "3600000"})
    tell("validate", outcomes(admin.create_topics([new], validate_only=True)))
    tell("create", outcomes(admin.create_topics([new])))
    tell("create again", outcomes(admin.create_topics([new])))
    tell("create badly", outcomes(admin.create_topics([NewTopic(topic + "-bad", 1, config={"segment.bytes": "1"})])))
    tell("grow", outcomes(admin.create_partitions([NewPartitions(topic, 5)])))
    tell("shrink", outcomes(admin.create_partitions([NewPartitions(topic, 1)])))
    tell("list", len(admin.list_topics(timeout=SECONDS_MAX).topics[topic].partitions))

    described = admin.describe_topics(TopicCollection([topic]))[topic].result(SECONDS_MAX)
    tell("describe", [described.name, len(described.partitions), described.is_internal])
    cluster = admin.describe_cluster(include_authorized_operations=True).result(SECONDS_MAX)
    tell("cluster", [len(cluster.nodes), cluster.controller.id, bool(cluster.authorized_operations)])

    tell("config", config(admin, ConfigResource.Type.TOPIC, topic, "retention.ms"))

    def alter(key, operation, value, kind=ConfigResource.Type.TOPIC, name=topic):
        entry = ConfigEntry(key, value, incremental_operation=operation)
        resource = ConfigResource(kind, name, incremental_configs=[entry])
        return outcomes(admin.incremental_alter_configs([resource]))[name]

    tell("set", alter("segment.ms", AlterConfigOpType.SET, "7000"))
    tell("append", alter("cleanup.policy", AlterConfigOpType.APPEND, "compact"))
    tell("subtract", alter("cleanup.policy", AlterConfigOpType.SUBTRACT, "compact"))
    tell("delete", alter("retention.ms", AlterConfigOpType.DELETE, None))
    tell("set badly", alter("segment.ms", AlterConfigOpType.SET, "soon"))
    tell("set unknown", alter("no.such.thing", AlterConfigOpType.SET, "1"))
    changed = ("segment.ms", "cleanup.policy", "retention.ms")
    tell("after", [config(admin, ConfigResource.Type.TOPIC, topic, key)[0] for key in changed])
    replacing = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config={"retention.ms": "5000"})
    tell("replace", outcomes(admin.alter_configs([replacing])))
    tell("replaced", [config(admin, ConfigResource.Type.TOPIC, topic, key)[0] for key in ("segment.ms", "retention.ms")])
    broker = str(cluster.controller.id)
    tell("broker config", config(admin, ConfigResource.Type.BROKER, broker, "num.partitions"))
    tell("set broker", alter("log.roll.ms", AlterConfigOpType.SET, "9000", ConfigResource.Type.BROKER, broker))
    tell("set static", alter("num.partitions", AlterConfigOpType.SET, "9", ConfigResource.Type.BROKER, broker))
    tell("follows", config(admin, ConfigResource.Type.TOPIC, topic, "segment.ms")[0])

    producer = Producer({"bootstrap.servers": spec["bootstrap"]})
    for number in range(10):
        producer.produce(topic, value=str(number), partition=0)
    producer.flush(SECONDS_MAX)
    cut = admin.delete_records([TopicPartition(topic, 0, 4)])
    tell("cut", [future.result(SECONDS_MAX).low_watermark for future in cut.values()])
    # librdkafka drops the error of describe_acls.
    rule = AclBinding(
        ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:me", "*", AclOperation.READ, AclPermissionType.ALLOW
    )
    tell("acls", outcomes(admin.create_acls([rule])))
    tell("remove", outcomes(admin.delete_topics([topic])))
    tell("remove again", outcomes(admin.delete_topics([topic])))


main()
