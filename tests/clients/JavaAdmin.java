import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client's administrator: one line of JSON for each thing it was told about a topic, a group, quotas and the cluster. */
public final class JavaAdmin {
    private final Admin admin;
    private final String bootstrap;
    private final String topic;

    private JavaAdmin(Admin admin, String bootstrap, String topic) {
        this.admin = admin;
        this.bootstrap = bootstrap;
        this.topic = topic;
    }

    public static void main(String[] arguments) throws Exception {
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", arguments[0]))) {
            JavaAdmin told = new JavaAdmin(admin, arguments[0], arguments[1]);
            told.topics();
            told.configs();
            told.offsets();
            told.groups();
            told.quotas();
            told.removal();
        }
    }

    private void topics() throws Exception {
        NewTopic created = new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "3600000"));
        NewTopic bad = new NewTopic(topic + "-bad", 1, (short) 1).configs(Map.of("segment.bytes", "1"));
        tell("create", () -> admin.createTopics(List.of(created)).config(topic).get().get("retention.ms").value());
        tell("create again", () -> admin.createTopics(List.of(created)).all().get());
        tell("create badly", () -> admin.createTopics(List.of(bad)).all().get());
        tell("grow", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get());
        tell("shrink", () -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(1))).all().get());
        tell("list", () -> admin.listTopics().names().get().contains(topic));
        tell("describe", () -> admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size());
        tell("describe by id", () -> {
            var id = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).topicId();
            return admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get().get(id).name();
        });
        tell("cluster", () -> admin.describeCluster().nodes().get().size());
        tell("features", () -> admin.describeFeatures().featureMetadata().get().finalizedFeatures().containsKey("group.version"));
        tell("dirs", () -> {
            var directories = admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values().iterator().next();
            return directories.replicaInfos().keySet().stream().filter(one -> one.topic().equals(topic)).count();
        });
        tell("moves", () -> admin.listPartitionReassignments().reassignments().get().size());
        tell("elect", () -> admin.electLeaders(ElectionType.PREFERRED, Set.of(new TopicPartition(topic, 0))).partitions().get()
            .values().iterator().next().map(error -> error.getClass().getSimpleName()).orElse("elected"));
        tell("acls", () -> admin.describeAcls(AclBindingFilter.ANY).values().get());
    }

    private void configs() {
        ConfigResource ours = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        tell("set", () -> alter(ours, "segment.ms", "7000", AlterConfigOp.OpType.SET));
        tell("append", () -> alter(ours, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND));
        tell("unset", () -> alter(ours, "retention.ms", "", AlterConfigOp.OpType.DELETE));
        tell("set badly", () -> alter(ours, "segment.ms", "soon", AlterConfigOp.OpType.SET));
        tell("after", () -> List.of(config(ours, "segment.ms"), config(ours, "cleanup.policy"), config(ours, "retention.ms")));
        ConfigResource node = new ConfigResource(ConfigResource.Type.BROKER, "1");
        tell("broker config", () -> config(node, "num.partitions"));
        tell("set broker", () -> alter(node, "log.roll.ms", "9000", AlterConfigOp.OpType.SET));
        tell("set static", () -> alter(node, "num.partitions", "9", AlterConfigOp.OpType.SET));
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, topic);
        tell("set group", () -> alter(group, "consumer.session.timeout.ms", "50000", AlterConfigOp.OpType.SET));
        tell("set group badly", () -> alter(group, "consumer.session.timeout.ms", "1", AlterConfigOp.OpType.SET));
        tell("group config", () -> config(group, "consumer.session.timeout.ms"));
        tell("group default", () -> config(group, "consumer.heartbeat.interval.ms"));
        Set<ConfigResource.Type> kinds = Set.of(ConfigResource.Type.GROUP);
        tell("configured groups", () -> admin.listConfigResources(kinds, new ListConfigResourcesOptions()).all().get().stream()
            .map(ConfigResource::name).toList());
    }

    private Object alter(ConfigResource resource, String name, String value, AlterConfigOp.OpType operation) throws Exception {
        Map<ConfigResource, Collection<AlterConfigOp>> change = new HashMap<>();
        change.put(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), operation)));
        return admin.incrementalAlterConfigs(change).all().get();
    }

    private String config(ConfigResource resource, String name) throws Exception {
        ConfigEntry entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name);
        return entry.value() + " " + entry.source();
    }

    private void offsets() throws Exception {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("key.serializer", ByteArraySerializer.class);
        settings.put("value.serializer", ByteArraySerializer.class);
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
            for (int number = 0; number < 10; number++) {
                producer.send(new ProducerRecord<>(topic, 0, 1_000L * number, new byte[] {(byte) number}, new byte[0])).get();
            }
        }
        TopicPartition first = new TopicPartition(topic, 0);
        tell("cut", () -> admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(4))).lowWatermarks().get(first).get().lowWatermark());
        List<OffsetSpec> specs = List.of(
            OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.forTimestamp(6_500), OffsetSpec.maxTimestamp(), OffsetSpec.earliestLocal(),
            OffsetSpec.latestTiered());
        tell("offsets", () -> {
            List<Long> found = new ArrayList<>();
            for (OffsetSpec spec : specs) {
                found.add(admin.listOffsets(Map.of(first, spec)).partitionResult(first).get().offset());
            }
            return found;
        });
        tell("producers", () -> admin.describeProducers(List.of(first)).partitionResult(first).get().activeProducers().size());
    }

    private void groups() {
        TopicPartition first = new TopicPartition(topic, 0);
        tell("move group", () -> admin.alterConsumerGroupOffsets(topic, Map.of(first, new OffsetAndMetadata(7, "moved"))).all().get());
        tell("group offsets", () -> {
            OffsetAndMetadata found = admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(first);
            return found.offset() + " " + found.metadata();
        });
        tell("groups", () -> admin.listGroups().all().get().stream().map(one -> one.groupId() + " " + one.type().map(Object::toString).orElse("?")).toList());
        tell("group", () -> admin.describeConsumerGroups(List.of(topic)).all().get().get(topic).groupState());
        tell("delete offsets", () -> admin.deleteConsumerGroupOffsets(topic, Set.of(first)).all().get());
        tell("group offsets left", () -> admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().size());
        tell("move again", () -> admin.alterConsumerGroupOffsets(topic, Map.of(first, new OffsetAndMetadata(7))).all().get());
        tell("delete group", () -> admin.deleteConsumerGroups(List.of(topic)).all().get());
        tell("delete group again", () -> admin.deleteConsumerGroups(List.of(topic)).all().get());
    }

    private void quotas() {
        Map<String, String> names = new HashMap<>();
        names.put(ClientQuotaEntity.CLIENT_ID, "billing");
        names.put(ClientQuotaEntity.USER, null);
        ClientQuotaEntity entity = new ClientQuotaEntity(names);
        var rate = new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1000.0)));
        var unknown = new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("no_such_rate", 1.0)));
        var none = new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", null)));
        tell("quota", () -> admin.alterClientQuotas(List.of(rate)).all().get());
        tell("quotas", () -> admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().get(entity).get("producer_byte_rate"));
        tell("quota badly", () -> admin.alterClientQuotas(List.of(unknown)).all().get());
        tell("no quota", () -> admin.alterClientQuotas(List.of(none)).all().get());
        tell("quotas left", () -> admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().size());
    }

    private void removal() {
        tell("remove", () -> admin.deleteTopics(List.of(topic)).all().get());
        tell("remove again", () -> admin.deleteTopics(List.of(topic)).all().get());
    }

    /** Tells what came of a step: its value, or the name of the error. */
    private static void tell(String step, Callable<?> call) {
        Object result;
        try {
            result = call.call();
        } catch (ExecutionException error) {
            result = error.getCause().getClass().getSimpleName();
        } catch (Exception error) {
            result = error.toString();
        }
        System.out.printf("{\"step\":\"%s\",\"result\":%s}%n", step, json(result));
    }

    private static String json(Object value) {
        if (value == null || value instanceof Number || value instanceof Boolean) {
            return String.valueOf(value);
        }
        if (value instanceof Collection<?> values) {
            return values.stream().map(JavaAdmin::json).collect(Collectors.joining(",", "[", "]"));
        }
        if (value instanceof Optional<?> optional) {
            return json(optional.orElse(null));
        }
        return "\"" + value.toString().replace("\"", "'") + "\"";
    }
}
