"""kafka-python's KafkaAdminClient: one line of JSON for each thing it was told about a topic and the cluster."""

import json

from kafka import KafkaProducer, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from records import read_spec


def tell(step, result):
    print(json.dumps({"step": step, "result": result}), flush=True)


def outcome(call, *arguments, **options):
    """None for success, or the name of the error."""
    try:
        call(*arguments, **options)
        return None
    except KafkaError as error:
        return type(error).__name__


def main():
    spec = read_spec()
    topic = spec["topic"]
    admin = KafkaAdminClient(bootstrap_servers=spec["bootstrap"])

    def config(kind, name, key):
        answer = admin.describe_configs([ConfigResource(kind, name)], config_filter="all")
        return find(answer, key)

    new = NewTopic(topic, num_partitions=2, replication_factor=1, topic_configs={"retention.ms": "3600000"})
    tell("validate", outcome(admin.create_topics, [new], validate_only=True))
    tell("create", outcome(admin.create_topics, [new]))
    tell("create again", outcome(admin.create_topics, [new]))
    tell("grow", outcome(admin.create_partitions, {topic: 5}))
    tell("shrink", outcome(admin.create_partitions, {topic: 1}))
    tell("list", topic in admin.list_topics())
    tell("describe", [len(found["partitions"]) for found in admin.describe_topics([topic])])
    cluster = admin.describe_cluster()
    tell("cluster", [len(cluster["brokers"]), cluster["controller_id"]])
    tell("config", config(ConfigResourceType.TOPIC, topic, "retention.ms"))
    changes = {"segment.ms": "7000", "cleanup.policy": (AlterConfigOp.APPEND, "compact")}
    tell("alter", outcome(admin.alter_configs, [ConfigResource(ConfigResourceType.TOPIC, topic, configs=changes)]))
    changed = ("segment.ms", "cleanup.policy", "retention.ms")
    tell("after", [config(ConfigResourceType.TOPIC, topic, key) for key in changed])
    bad = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"segment.ms": "soon"})
    tell("alter badly", admin.alter_configs([bad]))
    broker = str(cluster["controller_id"])
    tell("broker config", config(ConfigResourceType.BROKER, broker, "num.partitions"))

    policy = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"cleanup.policy": "delete"})
    tell("policy", outcome(admin.alter_configs, [policy]))
    producer = KafkaProducer(bootstrap_servers=spec["bootstrap"])
    for number in range(10):
        producer.send(topic, value=str(number).encode(), partition=0)
    producer.flush()
    cut = admin.delete_records({TopicPartition(topic, 0): 4})
    tell("cut", [part["low_watermark"] if isinstance(part, dict) else part for part in cut.values()])
    topics = [found for directory in admin.describe_log_dirs()[0]["log_dirs"] for found in directory["topics"]]
    tell("dirs", [[found["name"], len(found["partitions"])] for found in topics])
    tell("elect", "not needed" in str(admin.elect_leaders(0, {topic: [0]}, raise_errors=False)))
    tell("moves", admin.list_partition_reassignments())
    tell("remove", outcome(admin.delete_topics, [topic]))
    tell("remove again", outcome(admin.delete_topics, [topic]))


def find(answer, key):
    """The value of a config, wherever this client puts it in its answer."""
    if isinstance(answer, dict):
        if key in answer:
            entry = answer[key]
            return entry.get("value") if isinstance(entry, dict) else getattr(entry, "value", entry)
        if answer.get("name") == key:
            return answer.get("value")
        children = list(answer.values())
    elif isinstance(answer, (list, tuple)):
        children = list(answer)
    else:
        return None
    for child in children:
        found = find(child, key)
        if found is not None:
            return found
    return None


main()
