"""kafka-python: produces jobs (idempotent, as it does by default) and reads topics back."""

import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from records import acknowledged, emit, read_spec, records_of

SECONDS_MAX = 60


def produce(bootstrap, job):
    options = {} if job["idempotent"] else {"enable_idempotence": False}
    if job["batch_records"]:
        options["batch_size"] = job["batch_records"] * job["value_bytes"]
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        compression_type=None if job["codec"] == "none" else job["codec"],
        acks="all" if job["acks"] == "all" else int(job["acks"]),
        max_request_size=4_000_000,
        max_block_ms=SECONDS_MAX * 1000,
        linger_ms=5,
        **options,
    )
    waiting = [
        producer.send(job["topic"], value=value, key=key, headers=headers, timestamp_ms=timestamp_ms)
        for key, value, headers, timestamp_ms in records_of(job)
    ]
    producer.flush(timeout=SECONDS_MAX)
    for future in waiting:
        future.get(timeout=SECONDS_MAX)
    producer.close(timeout=SECONDS_MAX)
    acknowledged(job, len(waiting))


def read(bootstrap, topic):
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        check_crcs=True,
        auto_offset_reset="none",
        max_partition_fetch_bytes=4 << 20,
    )
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
    consumer.assign(partitions)
    ends = {partition: end for partition, end in consumer.end_offsets(partitions).items() if end > 0}
    for partition in partitions:
        consumer.seek(partition, 0)
    while ends:
        polled = consumer.poll(timeout_ms=SECONDS_MAX * 1000, max_records=10_000)
        if not polled:
            sys.exit(f"{topic}: nothing for {SECONDS_MAX} s, still waiting for {ends}")
        for partition, messages in polled.items():
            for message in messages:
                emit(
                    topic,
                    message.partition,
                    message.offset,
                    message.timestamp,
                    message.key,
                    message.value,
                    message.headers,
                )
                if message.offset + 1 >= ends.get(partition, message.offset + 2):
                    del ends[partition]
    consumer.close()


def consume(bootstrap, order):
    consumer = KafkaConsumer(
        order["topic"],
        bootstrap_servers=bootstrap,
        group_id=order["group"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    left = order["count"]
    while left > 0:
        # No more than is wanted: what is polled is committed.
        polled = consumer.poll(timeout_ms=SECONDS_MAX * 1000, max_records=left)
        if not polled:
            sys.exit(f"{order['topic']}: nothing for {SECONDS_MAX} s, still waiting for {left} records")
        for messages in polled.values():
            for message in messages:
                left -= 1
                emit(
                    order["topic"],
                    message.partition,
                    message.offset,
                    message.timestamp,
                    message.key,
                    message.value,
                    message.headers,
                )
    consumer.commit()
    consumer.close()


def main():
    spec = read_spec()
    for job in spec.get("produce", []):
        produce(spec["bootstrap"], job)
    for topic in spec.get("read", []):
        read(spec["bootstrap"], topic)
    for order in spec.get("consume", []):
        consume(spec["bootstrap"], order)


main()
