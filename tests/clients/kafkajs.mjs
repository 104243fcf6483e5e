// kafkajs: produces jobs, and consumes in a group. It has no consumer without one.
// The records are those of records.py.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";

// The packages are installed outside the source tree; the test names the place.
const require = createRequire(`${process.env.RINGMAIN_NODE_PACKAGES}/`);
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require("kafkajs");
const lz4 = require("lz4js");
const { ZstdCodec } = require("zstd-codec");

const zstd = await new Promise((resolve) => ZstdCodec.run((codec) => resolve(new codec.Simple())));
CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy");
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
});
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
});

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
};
const BYTES_PER_SEND_MAX = 900_000;
const SECONDS_MAX = 60;

function recordOf(job, index) {
  const unit = `${job.seed}:${index}:`;
  const nothing = job.nulls && index % 10 === 9;
  const record = {
    key: job.keys ? `key-${index % job.keys}` : null,
    value: nothing ? null : unit.repeat(Math.floor(job.value_bytes / unit.length) + 1).slice(0, job.value_bytes),
    timestamp: String(job.timestamp_ms + index),
  };
  if (job.headers) {
    record.headers = { index: String(index), empty: Buffer.alloc(0), bytes: Buffer.from([255, 10, 254]) };
  }
  return record;
}

async function produce(kafka, job) {
  const producer = kafka.producer({ idempotent: job.idempotent, maxInFlightRequests: 1, allowAutoTopicCreation: false });
  await producer.connect();
  const perSend = Math.max(1, Math.floor(BYTES_PER_SEND_MAX / Math.max(1, job.value_bytes)));
  for (let first = 0; first < job.count; first += perSend) {
    const messages = [];
    for (let index = first; index < Math.min(job.count, first + perSend); index += 1) messages.push(recordOf(job, index));
    const acks = job.acks === "all" ? -1 : Number(job.acks);
    await producer.send({ topic: job.topic, acks, compression: CODECS[job.codec], messages });
  }
  await producer.disconnect();
  console.log(JSON.stringify({ topic: job.topic, acknowledged: job.count }));
}

async function consume(kafka, order) {
  const consumer = kafka.consumer({ groupId: order.group });
  await consumer.connect();
  await consumer.subscribe({ topic: order.topic, fromBeginning: true });
  const next = new Map();
  let left = order.count;
  await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`still waiting for ${left} records`)), SECONDS_MAX * 1000);
    consumer
      .run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          if (left === 0) return;
          emit(order.topic, partition, message);
          next.set(partition, Number(message.offset) + 1);
          left -= 1;
          if (left === 0) {
            clearTimeout(late);
            resolve();
          }
        },
      })
      .catch(reject);
  });
  const offsets = [...next].map(([partition, offset]) => ({ topic: order.topic, partition, offset: String(offset) }));
  await consumer.commitOffsets(offsets);
  await consumer.disconnect();
}

function emit(topic, partition, message) {
  const { key, value } = message;
  const headers = Object.entries(message.headers ?? {}).map(([name, data]) => [name, data && data.toString("hex")]);
  const record = {
    topic,
    partition,
    offset: Number(message.offset),
    timestamp_ms: Number(message.timestamp),
    key: key && key.toString("hex"),
    len: value === null ? -1 : value.length,
    crc: value === null ? 0 : crc32(value),
    headers,
  };
  console.log(JSON.stringify(record));
}

const spec = JSON.parse(readFileSync(0, "utf8"));
const kafka = new Kafka({ clientId: "kafkajs", brokers: [spec.bootstrap], logLevel: logLevel.ERROR, retry: { retries: 3 } });
for (const job of spec.produce ?? []) await produce(kafka, job);
for (const order of spec.consume ?? []) await consume(kafka, order);
