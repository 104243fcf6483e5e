//! librdkafka's own tests, a C program of some 150 of them that talks to a broker. They come with the source inside a package of npm and are built
//! below `target/test-clients`, once, which takes minutes: so it is done only where somebody asks for it.

use crate::binary::target_dir;
use crate::real_clients::{assert_success, run_with_input};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Carries librdkafka 2.15.1 with its tests.
const PACKAGE: &str = "@confluentinc/kafka-javascript@1.10.1";
const TARBALL: &str = "confluentinc-kafka-javascript-1.10.1.tgz";
/// Asks for the build and the tests.
const ASKED_BY: &str = "RINGMAIN_LIBRDKAFKA";
/// No single test takes longer.
const TEST_SECONDS_MAX: &str = "600";
/// Their limits are for a machine that does nothing else.
const TIMEOUT_MULTIPLIER: u32 = 4;

/// The program that runs the tests.
pub struct TestRunner {
    directory: PathBuf,
}

impl TestRunner {
    /// Builds the tests if they are asked for; none, with the reason printed, if not.
    pub fn if_asked_for() -> Option<TestRunner> {
        if std::env::var_os(ASKED_BY).is_none() {
            println!("librdkafka's own tests are left out: they are built and run where {ASKED_BY}=1 is set");
            return None;
        }
        let clients_dir = target_dir().join("test-clients");
        let home = clients_dir.join("librdkafka");
        let directory = home.join("package/deps/librdkafka/tests");
        fs::create_dir_all(&home).expect("a directory for librdkafka");
        let lock = File::create(clients_dir.join("librdkafka.lock")).expect("a lock file");
        lock.lock().expect("the lock file can be locked");
        let stamp_path = clients_dir.join("librdkafka.stamp");
        if fs::read_to_string(&stamp_path).is_ok_and(|stamp| stamp == PACKAGE) {
            return Some(TestRunner { directory });
        }
        println!("building librdkafka's tests from {PACKAGE} in {}", home.display());
        build(&home, &directory);
        fs::write(&stamp_path, PACKAGE).expect("a stamp");
        Some(TestRunner { directory })
    }

    /// Runs one test against a broker and gives what became of it. Without `is_whole` its long parts are left out.
    pub fn run(&self, bootstrap: &str, test: &str, is_whole: bool) -> Output {
        // Of its own: a test reads it again for each client, and others begin meanwhile.
        let settings = self.directory.join(format!("ringmain-{}-{test}.conf", std::process::id()));
        let lines = format!("bootstrap.servers={bootstrap}\ntest.timeout.multiplier={TIMEOUT_MULTIPLIER}\n");
        fs::write(&settings, lines).expect("settings of the tests");
        let mut command = Command::new("timeout");
        command.arg(TEST_SECONDS_MAX).arg("./test-runner").args(["-E", "-L", "-p1"]).current_dir(&self.directory);
        if !is_whole {
            command.arg("-Q");
        }
        // The version says which features the broker has; ours are those of a node without transactions.
        command.env("RDKAFKA_TEST_CONF", &settings).env("TEST_KAFKA_VERSION", "3.9.0").env("TESTS", test);
        run_with_input(command.env("LD_LIBRARY_PATH", "../src:../src-cpp"), b"")
    }
}

fn build(home: &Path, tests: &Path) {
    let source = tests.parent().expect("the tests stand in the source");
    run_in(home, "npm", &["pack", "--silent", PACKAGE]);
    run_in(home, "tar", &["xzf", TARBALL]);
    run_in(source, "./configure", &["--disable-gssapi", "--enable-zlib", "--enable-zstd"]);
    run_in(source, "make", &["-j2", "libs"]);
    run_in(tests, "make", &["-j2", "build"]);
}

fn run_in(directory: &Path, program: &str, arguments: &[&str]) {
    let output = run_with_input(Command::new(program).args(arguments).current_dir(directory), b"");
    let needed = "(Debian: apt-get install gcc g++ make npm libssl-dev zlib1g-dev libzstd-dev libcurl4-openssl-dev)";
    assert_success(&format!("{program} {} {needed}", arguments.join(" ")), &output);
}
