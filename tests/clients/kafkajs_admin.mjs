// kafkajs' admin: one line of JSON for each thing it was told about a topic and the cluster.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

// The packages are installed outside the source tree; the test names the place.
const require = createRequire(`${process.env.RINGMAIN_NODE_PACKAGES}/`);
const { Kafka, ConfigResourceTypes, AclResourceTypes, logLevel } = require("kafkajs");

const spec = JSON.parse(readFileSync(0, "utf8"));
const kafka = new Kafka({ clientId: "kafkajs", brokers: [spec.bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 3 } });
const admin = kafka.admin();
const topic = spec.topic;

function tell(step, result) {
  console.log(JSON.stringify({ step, result }));
}

// null for success, or the type of the error.
async function outcome(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return error.type ?? error.errors?.[0]?.type ?? error.cause?.type ?? error.name;
  }
}

async function config(type, name, key) {
  const answer = await admin.describeConfigs({ includeSynonyms: true, resources: [{ type, name }] });
  return answer.resources[0].configEntries.find((entry) => entry.configName === key).configValue;
}

await admin.connect();
const created = { topic, numPartitions: 2, configEntries: [{ name: "retention.ms", value: "3600000" }] };
tell("create", await admin.createTopics({ topics: [created] }));
tell("create again", await admin.createTopics({ topics: [created] }));
tell("grow", await outcome(() => admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })));
tell("shrink", await outcome(() => admin.createPartitions({ topicPartitions: [{ topic, count: 1 }] })));
tell("list", (await admin.listTopics()).includes(topic));
tell("describe", (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length);
const cluster = await admin.describeCluster();
tell("cluster", [cluster.brokers.length, cluster.controller]);
tell("config", await config(ConfigResourceTypes.TOPIC, topic, "retention.ms"));
const alter = (value) =>
  admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: "segment.ms", value }] }],
  });
tell("replace", await outcome(() => alter("7000")));
tell("replaced", [
  await config(ConfigResourceTypes.TOPIC, topic, "segment.ms"),
  await config(ConfigResourceTypes.TOPIC, topic, "retention.ms"),
]);
tell("replace badly", await outcome(() => alter("soon")));
tell("broker config", await config(ConfigResourceTypes.BROKER, String(cluster.controller), "num.partitions"));
const producer = kafka.producer({ maxInFlightRequests: 1 });
await producer.connect();
await producer.send({ topic, messages: Array.from({ length: 10 }, (_, number) => ({ value: String(number), partition: 0 })) });
await producer.disconnect();
tell("cut", await outcome(() => admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "4" }] })));
tell("offsets", (await admin.fetchTopicOffsets(topic)).find((one) => one.partition === 0));
tell(
  "acls",
  await outcome(() =>
    admin.describeAcls({
      resourceType: AclResourceTypes.TOPIC,
      resourceName: topic,
      resourcePatternType: 3,
      operation: 1,
      permissionType: 1,
    }),
  ),
);
tell("remove", await outcome(() => admin.deleteTopics({ topics: [topic] })));
tell("remove again", await outcome(() => admin.deleteTopics({ topics: [topic] })));
await admin.disconnect();
