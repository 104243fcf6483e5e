"""Many confluent-kafka consumers of one group in one process, and one more that comes: tells which partitions moved, and for how long the others stood still.

Each partition gets a record again and again. Prints one line of JSON.
"""

import json
import time

from confluent_kafka import Consumer, Producer, TopicPartition

from records import read_spec

SECONDS_MAX = 120
EVERY_S = 0.1


class Member:
    """A consumer that knows what it owns, and notes what is taken from it."""

    def __init__(self, spec, revoked):
        settings = {
            "bootstrap.servers": spec["bootstrap"],
            "group.id": spec["group"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 50,
        }
        if spec["protocol"] == "consumer":
            settings["group.protocol"] = "consumer"
        else:
            settings.update({"partition.assignment.strategy": "cooperative-sticky", "session.timeout.ms": 30_000})
        self.owned = set()
        self.revoked = revoked
        self.consumer = Consumer(settings)
        self.consumer.subscribe([spec["topic"]], on_assign=self.on_assign, on_revoke=self.on_revoke)

    def on_assign(self, consumer, partitions):
        self.owned |= {one.partition for one in partitions}
        consumer.incremental_assign(partitions)

    def on_revoke(self, consumer, partitions):
        gone = {one.partition for one in partitions}
        self.owned -= gone
        self.revoked |= gone
        consumer.incremental_unassign([TopicPartition(one.topic, one.partition) for one in partitions])


class Group:
    def __init__(self, spec):
        self.spec = spec
        self.revoked = set()
        self.producer = Producer({"bootstrap.servers": spec["bootstrap"], "linger.ms": 0})
        self.members = []
        self.seen = {}
        self.longest = {}
        self.produced = 0.0

    def turn(self):
        now = time.monotonic()
        if now - self.produced > EVERY_S:
            self.produced = now
            for partition in range(self.spec["partitions"]):
                self.producer.produce(self.spec["topic"], b"x", partition=partition)
        self.producer.poll(0)
        for member in self.members:
            message = member.consumer.poll(0)
            while message is not None:
                if message.error() is None:
                    self.note(message.partition())
                message = member.consumer.poll(0)
        time.sleep(0.005)

    def note(self, partition):
        now = time.monotonic()
        if partition in self.seen:
            self.longest[partition] = max(self.longest.get(partition, 0.0), now - self.seen[partition])
        self.seen[partition] = now

    def until(self, is_done):
        deadline = time.monotonic() + SECONDS_MAX
        while not is_done():
            assert time.monotonic() < deadline, f"the members own {[len(member.owned) for member in self.members]}"
            self.turn()

    def for_seconds(self, seconds):
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)

    def owns_all(self):
        shares = [member.owned for member in self.members]
        return all(shares) and sum(map(len, shares)) == len(set().union(*shares)) == self.spec["partitions"]


def main():
    spec = read_spec()
    group = Group(spec)
    group.members = [Member(spec, group.revoked) for _ in range(spec["members"])]
    group.until(group.owns_all)
    group.until(lambda: len(group.seen) == spec["partitions"])
    # A rebalance that is still under way would be counted as part of the next.
    group.for_seconds(8)
    group.revoked.clear()
    group.longest.clear()
    group.members.append(Member(spec, group.revoked))
    group.until(group.owns_all)
    group.for_seconds(8)
    kept = {partition: gap for partition, gap in group.longest.items() if partition not in group.revoked}
    told = {"moved": len(group.revoked), "kept": len(kept), "longest_ms": round(1000 * max(kept.values()))}
    group.producer.flush(SECONDS_MAX)
    for member in group.members:
        member.consumer.close()
    print(json.dumps(told))


main()
