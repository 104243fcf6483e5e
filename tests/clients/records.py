"""What the Python clients share: the records that a job asks for, and the fingerprint of a record that was read.

A job's records follow from its fields alone; tests/src/jobs.rs builds the same ones, and kafkajs.mjs as well.
"""

import json
import sys
import zlib


def read_spec():
    """The test's order, one JSON document on standard input."""
    return json.load(sys.stdin)


def records_of(job):
    """Yields (key, value, headers, timestamp_ms) of each record of a job."""
    for index in range(job["count"]):
        unit = f"{job['seed']}:{index}:".encode()
        value = (unit * (job["value_bytes"] // len(unit) + 1))[: job["value_bytes"]]
        if job["nulls"] and index % 10 == 9:
            value = None
        key = f"key-{index % job['keys']}".encode() if job["keys"] else None
        headers = []
        if job["headers"]:
            headers = [("index", str(index).encode()), ("empty", b""), ("bytes", bytes([255, 10, 254]))]
        yield key, value, headers, job["timestamp_ms"] + index


def acknowledged(job, count):
    """Tells the test that this many records of the job were acknowledged."""
    print(json.dumps({"topic": job["topic"], "acknowledged": count}), flush=True)


def emit(topic, partition, offset, timestamp_ms, key, value, headers):
    """Tells the test of one record that was read."""
    line = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "timestamp_ms": timestamp_ms,
        "key": None if key is None else key.hex(),
        "len": -1 if value is None else len(value),
        "crc": 0 if value is None else zlib.crc32(value),
        "headers": [[name, None if data is None else data.hex()] for name, data in headers],
    }
    print(json.dumps(line))
