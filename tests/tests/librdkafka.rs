//! librdkafka's own tests: those that talk to a single broker, as far as they are about producing, consuming, metadata and groups.
//! Many of them mostly wait, so some run at once.

use std::sync::Mutex;
use tests::librdkafka::TestRunner;
use tests::server::{Options, Server};

/// Producing, consuming, seeking, codecs, headers, offsets by time, partitioners.
const BASIC: &str = "0001 0002 0003 0005 0007 0008 0011 0012 0013 0014 0015 0016 0017 0021 0022 0031 0034 0036 0039 0041 0042 0048 0053 0054 0055 \
    0059 0060 0063 0064 0065 0067 0070 0073 0082 0083 0085 0086 0093 0110 0112 0114 0123 0125 0127 0137";
/// Groups: subscriptions, commits, static members, cooperative rebalances, members that do not poll.
const GROUPS: &str = "0018 0019 0020 0026 0029 0030 0033 0040 0045 0050 0051 0056 0069 0089 0091 0099 0102 0113 0118 0122 0130 0132 0140";
/// Those whose short form leaves out what is worth asking.
const WHOLE: &str = "0018 0019 0026 0045 0050 0089 0102 0122 0132";
/// So many at once: each has a few clients and is idle for most of its time.
const AT_ONCE: usize = 4;

#[test]
fn librdkafka_s_own_tests_pass() {
    let Some(runner) = TestRunner::if_asked_for() else { return };
    let file = tests::binary::target_dir().join("librdkafka.toml");
    // They write to partitions 0 to 3 of topics that come by use.
    std::fs::write(&file, "\"num.partitions\" = 4\n").expect("a configuration file");
    let options = Options::named("librdkafka").with_arguments(&["--config", file.to_str().expect("a plain path")]);
    let server = Server::start(options);
    let bootstrap = server.bootstrap();
    let waiting: Mutex<Vec<&str>> = Mutex::new(BASIC.split_whitespace().chain(GROUPS.split_whitespace()).collect());
    let failed: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(test) = waiting.lock().expect("no test panics").pop() else { break };
                    let output = runner.run(&bootstrap, test, WHOLE.split_whitespace().any(|one| one == test));
                    println!("{test}: {}", output.status);
                    if !output.status.success() {
                        println!("{}", String::from_utf8_lossy(&output.stdout));
                        println!("{}", String::from_utf8_lossy(&output.stderr));
                        failed.lock().expect("no test panics").push(test);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no test panics");
    assert!(failed.is_empty(), "of librdkafka's own tests these failed: {failed:?}");
}
