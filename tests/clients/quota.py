"""confluent-kafka: produces or consumes so many bytes as one client, and says how long it took and how long it was throttled."""

import json
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

SECONDS_MAX = 60
VALUE = b"x" * 8192

order = json.load(sys.stdin)
throttled = [0]
common = {
    "bootstrap.servers": order["bootstrap"],
    "client.id": order["client_id"],
    "throttle_cb": lambda event: throttled.append(event.throttle_time),
}


def produce(count):
    acknowledged = []
    producer = Producer({**common, "linger.ms": 5, "batch.size": 65536, "message.timeout.ms": SECONDS_MAX * 1000})
    for _ in range(count):
        producer.produce(order["topic"], VALUE, partition=0, on_delivery=lambda error, _: acknowledged.append(error))
    left = producer.flush(SECONDS_MAX)
    failed = [str(error) for error in acknowledged if error]
    if left or failed:
        sys.exit(f"{left} records were not acknowledged, {failed[:3]}")
    return len(acknowledged)


def consume(count):
    consumer = Consumer({**common, "group.id": "quota", "enable.auto.commit": False, "fetch.message.max.bytes": 65536})
    consumer.assign([TopicPartition(order["topic"], 0, 0)])
    seen = 0
    while seen < count:
        message = consumer.poll(SECONDS_MAX)
        if message is None or message.error():
            sys.exit(f"after {seen} records: {message and message.error()}")
        seen += 1
    consumer.close()
    return seen


count = order["bytes"] // len(VALUE)
begun = time.monotonic()
done = (consume if order["consume"] else produce)(count)
seconds = time.monotonic() - begun
print(json.dumps({"bytes": done * len(VALUE), "seconds": seconds, "throttle_ms_max": max(throttled) * 1000}))
