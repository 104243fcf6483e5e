import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java client: produces jobs, reads whole topics, and consumes in a group. Orders are lines of words on standard input, because Java reads no
 * JSON by itself; what it tells is JSON. The records are those of records.py.
 */
public final class JavaClient {
    private static final Duration ALL_WITHIN = Duration.ofSeconds(60);

    public static void main(String[] arguments) throws Exception {
        var orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = orders.readLine(); line != null; line = orders.readLine()) {
            String[] words = line.split("\t", -1);
            switch (words[0]) {
                case "produce" -> new Job(words).produce(arguments[0]);
                case "read" -> read(arguments[0], Arrays.asList(words).subList(1, words.length));
                case "consume" -> consume(arguments[0], words[1], words[2], Integer.parseInt(words[3]));
                default -> throw new IllegalArgumentException(line);
            }
        }
    }

    private static void read(String bootstrap, List<String> topics) {
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings(bootstrap))) {
            List<TopicPartition> all = new ArrayList<>();
            for (String topic : topics) {
                consumer.partitionsFor(topic).forEach(one -> all.add(new TopicPartition(topic, one.partition())));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            long deadline = System.nanoTime() + ALL_WITHIN.toNanos();
            while (all.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("not all was read in time");
                }
                consumer.poll(Duration.ofMillis(100)).forEach(JavaClient::emit);
            }
        }
    }

    private static void consume(String bootstrap, String group, String topic, int count) {
        Map<String, Object> settings = settings(bootstrap);
        settings.put("group.id", group);
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", 1);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            consumer.subscribe(List.of(topic));
            Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
            long deadline = System.nanoTime() + ALL_WITHIN.toNanos();
            for (int left = count; left > 0; ) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("still waiting for " + left + " records");
                }
                for (ConsumerRecord<byte[], byte[]> one : consumer.poll(Duration.ofMillis(100))) {
                    emit(one);
                    next.put(new TopicPartition(topic, one.partition()), new OffsetAndMetadata(one.offset() + 1));
                    left -= 1;
                }
            }
            consumer.commitSync(next);
        }
    }

    private static Map<String, Object> settings(String bootstrap) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("enable.auto.commit", false);
        settings.put("fetch.max.wait.ms", 20);
        settings.put("key.deserializer", ByteArrayDeserializer.class);
        settings.put("value.deserializer", ByteArrayDeserializer.class);
        return settings;
    }

    private static void emit(ConsumerRecord<byte[], byte[]> one) {
        List<String> headers = new ArrayList<>();
        for (Header header : one.headers()) {
            headers.add("[\"" + header.key() + "\"," + hex(header.value()) + "]");
        }
        CRC32 crc = new CRC32();
        if (one.value() != null) {
            crc.update(one.value());
        }
        System.out.printf(
            "{\"topic\":\"%s\",\"partition\":%d,\"offset\":%d,\"timestamp_ms\":%d,\"key\":%s,\"len\":%d,\"crc\":%d,\"headers\":[%s]}%n",
            one.topic(), one.partition(), one.offset(), one.timestamp(), hex(one.key()), one.value() == null ? -1 : one.value().length,
            crc.getValue(), String.join(",", headers));
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? "null" : "\"" + HexFormat.of().formatHex(bytes) + "\"";
    }

    /** An order to produce, word by word as tests/src/java_client.rs writes it. */
    private record Job(
        String topic, String seed, String codec, int count, int valueBytes, int keys, boolean headers, boolean nulls, String acks,
        boolean idempotent, long timestampMs) {
        Job(String[] words) {
            this(
                words[1], words[2], words[3], Integer.parseInt(words[4]), Integer.parseInt(words[5]), Integer.parseInt(words[6]),
                Boolean.parseBoolean(words[7]), Boolean.parseBoolean(words[8]), words[9], Boolean.parseBoolean(words[10]),
                Long.parseLong(words[11]));
        }

        void produce(String bootstrap) throws Exception {
            Map<String, Object> settings = new HashMap<>();
            settings.put("bootstrap.servers", bootstrap);
            settings.put("acks", acks);
            settings.put("enable.idempotence", idempotent);
            settings.put("compression.type", codec);
            settings.put("linger.ms", 5);
            settings.put("max.request.size", 4_000_000);
            settings.put("key.serializer", ByteArraySerializer.class);
            settings.put("value.serializer", ByteArraySerializer.class);
            Collection<Future<RecordMetadata>> sent = new ArrayList<>();
            try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
                for (int index = 0; index < count; index++) {
                    sent.add(producer.send(recordOf(index)));
                }
                for (Future<RecordMetadata> one : sent) {
                    one.get();
                }
            }
            System.out.printf("{\"topic\":\"%s\",\"acknowledged\":%d}%n", topic, sent.size());
        }

        private ProducerRecord<byte[], byte[]> recordOf(int index) {
            String unit = seed + ":" + index + ":";
            byte[] value = unit.repeat(valueBytes / unit.length() + 1).substring(0, valueBytes).getBytes(StandardCharsets.UTF_8);
            byte[] key = keys == 0 ? null : ("key-" + index % keys).getBytes(StandardCharsets.UTF_8);
            List<Header> all = new ArrayList<>();
            if (headers) {
                all.add(new RecordHeader("index", String.valueOf(index).getBytes(StandardCharsets.UTF_8)));
                all.add(new RecordHeader("empty", new byte[0]));
                all.add(new RecordHeader("bytes", new byte[] {(byte) 255, 10, (byte) 254}));
            }
            boolean isNothing = nulls && index % 10 == 9;
            return new ProducerRecord<>(topic, null, timestampMs + index, key, isNothing ? null : value, all);
        }
    }
}
