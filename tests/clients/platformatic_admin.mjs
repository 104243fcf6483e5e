// @platformatic/kafka's Admin: one line of JSON for each thing it was told about a topic, groups, quotas and the cluster.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

// The packages are installed outside the source tree; the test names the place.
const require = createRequire(`${process.env.RINGMAIN_NODE_PACKAGES}/`);
const { Admin, Producer, ConfigResourceTypes, IncrementalAlterConfigOperationTypes } = await import(require.resolve("@platformatic/kafka"));

const spec = JSON.parse(readFileSync(0, "utf8"));
const base = { clientId: "platformatic", bootstrapBrokers: [spec.bootstrap], retries: 1 };
const admin = new Admin(base);
const topic = spec.topic;

function tell(step, result) {
  const plain = (_, value) => (typeof value === "bigint" ? Number(value) : value instanceof Map ? [...value] : value);
  console.log(JSON.stringify({ step, result }, plain));
}

// null for success, or the name of the error, which is at the bottom of a heap of others.
async function outcome(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return apiIdOf(error) ?? error.message;
  }
}

function apiIdOf(error) {
  if (error?.apiId) return error.apiId;
  const below = [...(error?.errors ?? []), error?.cause].filter(Boolean);
  return below.map(apiIdOf).find(Boolean);
}

async function config(key) {
  const resources = [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys: [key] }];
  return (await admin.describeConfigs({ resources }))[0].configs[0].value;
}

const alter = (name, value) =>
  admin.incrementalAlterConfigs({
    resources: [
      {
        resourceType: ConfigResourceTypes.TOPIC,
        resourceName: topic,
        configs: [{ name, value, configOperation: IncrementalAlterConfigOperationTypes.SET }],
      },
    ],
  });
// The client insists on saying where new partitions go.
const brokerIds = [...(await admin.metadata({ topics: [] })).brokers.keys()];
const grow = (count, added) =>
  admin.createPartitions({ topics: [{ name: topic, count, assignments: Array.from({ length: added }, () => ({ brokerIds })) }] });

const create = () => admin.createTopics({ topics: [topic], partitions: 2, replicas: 1, configs: [{ name: "retention.ms", value: "3600000" }] });
const created = (await create())[0];
tell("create", [created.name, created.partitions, created.configuration["retention.ms"]]);
tell("create again", await outcome(create));
tell("grow", await outcome(() => grow(5, 3)));
tell("shrink", await outcome(() => grow(1, 0)));
tell("list", (await admin.listTopics()).includes(topic));
tell("describe", (await admin.metadata({ topics: [topic] })).topics.get(topic).partitionsCount);
tell("config", await config("retention.ms"));
tell("set", await outcome(() => alter("segment.ms", "7000")));
tell("set badly", await outcome(() => alter("segment.ms", "soon")));
tell("after", await config("segment.ms"));

const producer = new Producer(base);
const messages = Array.from({ length: 10 }, (_, number) => ({ topic, partition: 0, value: Buffer.from(String(number)) }));
await producer.send({ messages, acks: -1 });
await producer.close();
tell("cut", await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 4n }] }] }));
const ends = { topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1n }] }] };
tell("end", (await admin.listOffsets(ends))[0].partitions[0].offset);
const directories = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0, 1] }] });
tell("dirs", directories[0].results[0].topics[0].partitions.length);

const groupId = "administered";
const moved = { groupId, topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 7n }] }] };
tell("move group", await outcome(() => admin.alterConsumerGroupOffsets(moved)));
const offsets = await admin.listConsumerGroupOffsets({ groups: [groupId] });
tell("group offsets", offsets[0].topics[0].partitions[0].committedOffset);
tell("groups", [...(await admin.listGroups()).values()].map((group) => [group.id, group.state]));
tell("group", (await admin.describeGroups({ groups: [groupId] })).get(groupId).members.size);
tell("delete group", await outcome(() => admin.deleteGroups({ groups: [groupId] })));

const entity = [{ entityType: "client-id", entityName: "billing" }];
const quota = { entries: [{ entities: entity, ops: [{ key: "producer_byte_rate", value: 1000, remove: false }] }], validateOnly: false };
tell("quota", await outcome(() => admin.alterClientQuotas(quota)));
tell("quotas", (await admin.describeClientQuotas({ components: [{ entityType: "client-id", matchType: 0, match: "billing" }] }))[0].values);

tell("remove", await outcome(() => admin.deleteTopics({ topics: [topic] })));
tell("remove again", await outcome(() => admin.deleteTopics({ topics: [topic] })));
await admin.close();
