"""One member of a consumer group (confluent-kafka), alive until it is killed or its standard input ends.

It tells of each assignment as a JSON line, and commits what it has read after each record.
"""

import json
import sys
import threading

from confluent_kafka import Consumer


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    order = json.loads(sys.stdin.readline())
    config = {
        "bootstrap.servers": order["bootstrap"],
        "group.id": order["group"],
        "client.id": order["name"],
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "topic.metadata.refresh.interval.ms": 1000,
    }
    if order["instance"]:
        config["group.instance.id"] = order["instance"]
    if order["protocol"] == "consumer":
        # The broker says how often to send heartbeats and how long a session is.
        config.update({"group.protocol": "consumer", "group.remote.assignor": order["strategy"]})
    else:
        config.update(
            {
                "partition.assignment.strategy": order["strategy"],
                "session.timeout.ms": order["session_ms"],
                "heartbeat.interval.ms": 500,
            }
        )
    consumer = Consumer(config)
    owned = set()

    def on_assign(_consumer, partitions):
        if order["protocol"] == "consumer":
            owned.update((partition.topic, partition.partition) for partition in partitions)
            say(assigned=sorted(partition for _, partition in owned))
        else:
            say(assigned=sorted(partition.partition for partition in partitions))

    def on_revoke(_consumer, partitions):
        if order["protocol"] == "consumer":
            owned.difference_update((partition.topic, partition.partition) for partition in partitions)
            say(assigned=sorted(partition for _, partition in owned))
        else:
            say(revoked=sorted(partition.partition for partition in partitions))

    consumer.subscribe([order["topic"]], on_assign=on_assign, on_revoke=on_revoke)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        message = consumer.poll(0.1)
        if message is None:
            continue
        if message.error():
            say(error=str(message.error()))
            continue
        consumer.commit(message=message, asynchronous=False)
        say(read=[message.partition(), message.offset()])
    consumer.close()
    say(left=True)


main()
