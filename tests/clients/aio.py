"""aiokafka, which speaks old protocol versions only: produces jobs and reads topics back."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from records import acknowledged, emit, read_spec, records_of

SECONDS_MAX = 60


async def produce(bootstrap, job):
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        compression_type=None if job["codec"] == "none" else job["codec"],
        acks="all" if job["acks"] == "all" else int(job["acks"]),
        enable_idempotence=job["idempotent"],
        max_request_size=4_000_000,
        max_batch_size=1 << 20,
    )
    await producer.start()
    try:
        waiting = [
            await producer.send(job["topic"], value=value, key=key, headers=headers, timestamp_ms=timestamp_ms)
            for key, value, headers, timestamp_ms in records_of(job)
        ]
        await asyncio.wait_for(asyncio.gather(*waiting), SECONDS_MAX)
    finally:
        await producer.stop()
    acknowledged(job, len(waiting))


async def read(bootstrap, topic):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        check_crcs=True,
        auto_offset_reset="none",
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        await consumer._client.add_topic(topic)
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or [])]
        if not partitions:
            sys.exit(f"{topic}: no partitions in the metadata")
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        ends = {partition: end for partition, end in (await consumer.end_offsets(partitions)).items() if end > 0}
        while ends:
            polled = await consumer.getmany(timeout_ms=SECONDS_MAX * 1000, max_records=10_000)
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
    finally:
        await consumer.stop()


async def consume(bootstrap, order):
    consumer = AIOKafkaConsumer(
        order["topic"],
        bootstrap_servers=bootstrap,
        group_id=order["group"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        left = order["count"]
        while left > 0:
            polled = await consumer.getmany(timeout_ms=SECONDS_MAX * 1000, max_records=left)
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
        await consumer.commit()
    finally:
        await consumer.stop()


async def main():
    spec = read_spec()
    for job in spec.get("produce", []):
        await produce(spec["bootstrap"], job)
    for topic in spec.get("read", []):
        await read(spec["bootstrap"], topic)
    for order in spec.get("consume", []):
        await consume(spec["bootstrap"], order)


asyncio.run(main())
