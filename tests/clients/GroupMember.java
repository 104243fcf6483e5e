import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * One member of a group of the consumer protocol, alive until it is killed or its standard input ends. It tells of what it owns as JSON
 * lines, and commits what it has read. With the word "describe" as its first argument it is an administrator that looks at a group.
 */
public final class GroupMember {
    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("describe")) {
            describe(arguments[1], arguments[2]);
        } else {
            consume(arguments[0], arguments[1], arguments[2], arguments[3]);
        }
    }

    private static void describe(String bootstrap, String group) throws Exception {
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            var described = admin.describeConsumerGroups(List.of(group)).describedGroups().get(group).get();
            var types = admin.listGroups().all().get().stream().filter(one -> one.groupId().equals(group));
            String type = types.map(GroupListing::type).map(found -> found.map(Object::toString).orElse("?")).findFirst().orElse("?");
            long owned = described.members().stream().mapToLong(one -> one.assignment().topicPartitions().size()).sum();
            System.out.printf(
                "{\"state\":\"%s\",\"type\":\"%s\",\"assignor\":\"%s\",\"members\":%d,\"owned\":%d}%n",
                described.groupState(), type, described.partitionAssignor(), described.members().size(), owned);
        }
    }

    private static void consume(String bootstrap, String group, String topic, String assignor) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", group);
        settings.put("group.protocol", "consumer");
        settings.put("group.remote.assignor", assignor);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
        AtomicBoolean ended = new AtomicBoolean();
        Thread watcher = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (java.io.IOException gone) {
                // Nobody is there any more, which is what is waited for.
            }
            ended.set(true);
        });
        watcher.setDaemon(true);
        watcher.start();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            Owned owned = new Owned();
            if (topic.startsWith("^")) {
                consumer.subscribe(new SubscriptionPattern(topic), owned);
            } else {
                consumer.subscribe(List.of(topic), owned);
            }
            while (!ended.get()) {
                var records = consumer.poll(Duration.ofMillis(100));
                if (!records.isEmpty()) {
                    consumer.commitSync();
                }
                records.forEach(one -> System.out.printf("{\"read\":[%d,%d]}%n", one.partition(), one.offset()));
            }
        }
        System.out.println("{\"left\":true}");
    }

    /** What the member owns. */
    private static final class Owned implements ConsumerRebalanceListener {
        private final TreeSet<String> partitions = new TreeSet<>();

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> added) {
            added.forEach(one -> partitions.add(one.partition() + " " + one.topic()));
            tell();
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> gone) {
            gone.forEach(one -> partitions.remove(one.partition() + " " + one.topic()));
            tell();
        }

        private void tell() {
            String numbers = partitions.stream().map(one -> one.split(" ")[0]).collect(Collectors.joining(","));
            System.out.println("{\"assigned\":[" + numbers + "]}");
        }
    }
}
