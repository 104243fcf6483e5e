// @platformatic/kafka: produces jobs, reads topics and consumes, both in groups. It speaks new versions of the protocol only.
// The records are those of records.py.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import zlib from "node:zlib";

// The packages are installed outside the source tree; the test names the place.
const require = createRequire(`${process.env.RINGMAIN_NODE_PACKAGES}/`);
const { ZstdCodec } = require("zstd-codec");

// The client takes zstd from node, which has it since version 22 only. It looks when it is loaded.
if (!zlib.zstdCompressSync) {
  // Simple ones read no frames that do not say how long they are, and most clients write such.
  const zstd = await new Promise((resolve) => ZstdCodec.run((codec) => resolve(new codec.Streaming())));
  zlib.zstdCompressSync = (data) => Buffer.from(zstd.compress(data));
  zlib.zstdDecompressSync = (data) => Buffer.from(zstd.decompress(data));
}
const { Producer, Consumer } = await import(require.resolve("@platformatic/kafka"));

const BYTES_PER_SEND_MAX = 900_000;
const SECONDS_MAX = 60;
const EARLIEST = -2n;
const LATEST = -1n;
const ACKS = { all: -1, 1: 1, 0: 0 };

function recordOf(job, index) {
  const unit = `${job.seed}:${index}:`;
  const nothing = job.nulls && index % 10 === 9;
  const value = unit.repeat(Math.floor(job.value_bytes / unit.length) + 1).slice(0, job.value_bytes);
  const record = { topic: job.topic, timestamp: BigInt(job.timestamp_ms + index) };
  if (!nothing) record.value = Buffer.from(value);
  if (job.keys) record.key = Buffer.from(`key-${index % job.keys}`);
  if (job.headers) {
    record.headers = new Map([
      [Buffer.from("index"), Buffer.from(String(index))],
      [Buffer.from("empty"), Buffer.alloc(0)],
      [Buffer.from("bytes"), Buffer.from([255, 10, 254])],
    ]);
  }
  return record;
}

async function produce(base, job) {
  const producer = new Producer({ ...base, idempotent: job.idempotent });
  const perSend = Math.max(1, Math.floor(BYTES_PER_SEND_MAX / Math.max(1, job.value_bytes)));
  for (let first = 0; first < job.count; first += perSend) {
    const messages = [];
    for (let index = first; index < Math.min(job.count, first + perSend); index += 1) messages.push(recordOf(job, index));
    await producer.send({ acks: ACKS[job.acks], compression: job.codec, messages });
  }
  await producer.close();
  console.log(JSON.stringify({ topic: job.topic, acknowledged: job.count }));
}

// How many records the topics hold.
async function sizeOf(consumer, topics) {
  const sum = (offsets) => [...offsets.values()].flat().reduce((total, offset) => total + offset, 0n);
  const ends = await consumer.listOffsets({ topics, timestamp: LATEST });
  return Number(sum(ends) - sum(await consumer.listOffsets({ topics, timestamp: EARLIEST })));
}

// Consumes so many records in a group, or all that there are; commits and leaves.
async function consume(base, group, topics, wanted) {
  const consumer = new Consumer({ ...base, groupId: group });
  let left = wanted ?? (await sizeOf(consumer, topics));
  const stream = await consumer.consume({ topics, mode: "committed", fallbackMode: "earliest", autocommit: false, maxWaitTime: 100 });
  const late = setTimeout(() => stream.destroy(new Error(`still waiting for ${left} records`)), SECONDS_MAX * 1000);
  const next = new Map();
  for await (const message of stream) {
    emit(message);
    const { topic, partition, offset } = message;
    next.set(`${topic} ${partition}`, { topic, partition, offset: offset + 1n, leaderEpoch: -1 });
    left -= 1;
    if (left === 0) break;
  }
  clearTimeout(late);
  await consumer.commit({ offsets: [...next.values()] });
  await consumer.close(true);
}

function emit(message) {
  const { topic, partition, key, value } = message;
  const headers = [...message.headers].map(([name, data]) => [name.toString(), data && data.toString("hex")]);
  const record = {
    topic,
    partition,
    offset: Number(message.offset),
    timestamp_ms: Number(message.timestamp),
    key: key ? key.toString("hex") : null,
    len: value ? value.length : -1,
    crc: value ? zlib.crc32(value) : 0,
    headers,
  };
  console.log(JSON.stringify(record));
}

const spec = JSON.parse(readFileSync(0, "utf8"));
const base = { clientId: "platformatic", bootstrapBrokers: [spec.bootstrap] };
for (const job of spec.produce ?? []) await produce(base, job);
if (spec.read) await consume(base, `reader-${process.pid}`, spec.read, null);
for (const order of spec.consume ?? []) await consume(base, order.group, [order.topic], order.count);
