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
    consumer = Consumer(
        {
            "bootstrap.servers": order["bootstrap"],
            "group.id": order["group"],
            "client.id": order["name"],
            "partition.assignment.strategy": order["strategy"],
            "session.timeout.ms": order["session_ms"],
            "heartbeat.interval.ms": 500,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )

    def on_assign(_consumer, partitions):
        say(assigned=sorted(partition.partition for partition in partitions))

    def on_revoke(_consumer, partitions):
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
