//! Idempotent producers whose answers get lost on the way, while the broker is killed and started again: each record is there once, and
//! each key's records are in order.
//!
//! `RINGMAIN_SEED` repeats which answers are lost; how the client makes batches stays its own.

use std::sync::atomic::{AtomicBool, Ordering};
use tests::cutting_proxy::CuttingProxy;
use tests::jobs::{Headers, Job};
use tests::kafka::Client;
use tests::random::{Random, count_from_env, seed_of_run};
use tests::real_clients::RealClient;
use tests::server::{Options, Server};

const PARTITIONS: i32 = 3;
/// Of so many answers one is lost.
const CUT_SHARE: u64 = 15;

#[test]
fn confluent_writes_each_record_once_whatever_answers_get_lost() {
    write_through_losses(RealClient::Confluent, Server::kill_9);
}

#[test]
fn kafka_python_writes_each_record_once_whatever_answers_get_lost() {
    write_through_losses(RealClient::KafkaPython, Server::kill_9);
}

#[test]
fn confluent_goes_on_where_it_was_after_clean_stops() {
    write_through_losses(RealClient::Confluent, Server::terminate);
}

fn write_through_losses(client: RealClient, end: fn(&mut Server)) {
    let seed = seed_of_run(client.name());
    let mut random = Random::from_seed(seed);
    let proxy = CuttingProxy::start(seed, CUT_SHARE);
    let advertise = proxy.address().to_string();
    let options = Options::named("idempotence").with_arguments(&["--advertise", &advertise]);
    let mut server = Server::start(options);
    Client::connect(server.address()).create_topic("once", PARTITIONS, &[("segment.bytes", "1048576")]);
    proxy.lead_to(server.address());
    let job = Job {
        count: usize::try_from(count_from_env("RINGMAIN_IDEMPOTENT_RECORDS", 12_000)).expect("a count"),
        batch_records: Some(20),
        idempotent: true,
        headers: Headers::None,
        ..Job::ordinary("once".to_owned(), "none")
    };
    let is_over = AtomicBool::new(false);
    let mut ends = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _over = Over(&is_over);
            client.produce(&advertise, std::slice::from_ref(&job));
        });
        while proxy.wait_for_answers(random.between(30, 150), || is_over.load(Ordering::Relaxed)) {
            end(&mut server);
            server.restart();
            ends += 1;
        }
    });
    println!("{}: {} answers lost, {ends} restarts", client.name(), proxy.cut());
    assert!(proxy.cut() > 0 && ends > 0, "{} answers were lost and the broker ended {ends} times", proxy.cut());
    proxy.cut_no_more();
    let seen = RealClient::Confluent.read(&advertise, &["once"]);
    job.assert_equal(&seen["once"], "confluent");
}

/// Says that the producer has ended, however it did.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
