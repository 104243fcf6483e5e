"""confluent-kafka (librdkafka): produces jobs, reads topics back, and consumes in a group."""

import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from records import acknowledged, emit, read_spec, records_of

SECONDS_MAX = 60


def produce(bootstrap, job):
    failures = []
    delivered = []

    def on_delivery(error, message):
        (failures if error else delivered).append(error or message.offset())

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": job["codec"],
            "acks": job["acks"],
            "enable.idempotence": job["idempotent"],
            "message.max.bytes": 4_000_000,
            "message.timeout.ms": SECONDS_MAX * 1000,
            "queue.buffering.max.messages": 2_000_000,
            "linger.ms": 5,
            "batch.num.messages": job["batch_records"] or 10_000,
        }
    )
    for key, value, headers, timestamp_ms in records_of(job):
        while True:
            try:
                producer.produce(
                    job["topic"],
                    value=value,
                    key=key,
                    headers=headers,
                    timestamp=timestamp_ms,
                    on_delivery=on_delivery,
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(SECONDS_MAX)
    if left or failures:
        sys.exit(f"{job['topic']}: {left} undelivered, failures {failures[:3]}")
    acknowledged(job, len(delivered))


def read(bootstrap, topic):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "check.crcs": True,
            "auto.offset.reset": "error",
        }
    )
    partitions = consumer.list_topics(topic, timeout=SECONDS_MAX).topics[topic].partitions
    ends = {}
    for partition in partitions:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=SECONDS_MAX)
        if high > low:
            ends[partition] = high
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    last_seen = time.monotonic()
    while ends:
        # consume() waits for the whole number or the whole time, so the time is short.
        messages = consumer.consume(num_messages=10_000, timeout=0.2)
        if messages:
            last_seen = time.monotonic()
        elif time.monotonic() - last_seen > SECONDS_MAX:
            sys.exit(f"{topic}: nothing for {SECONDS_MAX} s, still waiting for {ends}")
        for message in messages:
            if message.error():
                if message.error().code() == KafkaError._PARTITION_EOF:
                    continue
                sys.exit(f"{topic}: {message.error()}")
            partition, offset = message.partition(), message.offset()
            _, timestamp_ms = message.timestamp()
            emit(topic, partition, offset, timestamp_ms, message.key(), message.value(), message.headers() or [])
            if offset + 1 >= ends.get(partition, offset + 2):
                del ends[partition]
    consumer.close()


def consume(bootstrap, order):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": order["group"],
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([order["topic"]])
    left = order["count"]
    last_seen = time.monotonic()
    while left > 0:
        message = consumer.poll(0.2)
        if message is None:
            if time.monotonic() - last_seen > SECONDS_MAX:
                sys.exit(f"{order['topic']}: nothing for {SECONDS_MAX} s, still waiting for {left} records")
            continue
        if message.error():
            sys.exit(f"{order['topic']}: {message.error()}")
        last_seen = time.monotonic()
        left -= 1
        _, timestamp_ms = message.timestamp()
        headers = message.headers() or []
        key, value = message.key(), message.value()
        emit(order["topic"], message.partition(), message.offset(), timestamp_ms, key, value, headers)
    consumer.commit(asynchronous=False)
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
