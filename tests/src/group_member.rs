//! Members of a consumer group as processes of their own, so that one can be killed.

use crate::clock::Stopwatch;
use crate::java_client::java;
use crate::process;
use crate::real_clients::python;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// A group that takes longer to agree is a failure.
const AGREED_WITHIN: Duration = Duration::from_secs(60);

/// Which group a member is in, and how.
#[derive(Clone, Debug)]
pub struct Membership {
    pub bootstrap: String,
    pub group: String,
    pub topic: String,
    /// The assignor, by librdkafka's name for it.
    pub strategy: &'static str,
    pub session_ms: u32,
    pub protocol: Protocol,
    /// The member's own permanent id, if it is to be a static one.
    pub instance: Option<String>,
}

/// The protocol of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The members assign.
    Classic,
    /// The broker assigns (KIP-848).
    Consumer,
}

/// A consumer in a process of its own.
pub struct Member {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// What it last said that it owns.
    pub assigned: Vec<i64>,
    /// What it read and committed: partitions and offsets.
    pub read: Vec<(i64, i64)>,
}

impl Member {
    /// Starts a member that is a consumer of confluent-kafka. It joins in its own time.
    pub fn start(name: &str, membership: &Membership) -> Member {
        let mut command = python("group_member.py");
        let order = json!({
            "bootstrap": membership.bootstrap, "group": membership.group, "topic": membership.topic, "name": name,
            "strategy": membership.strategy, "session_ms": membership.session_ms, "instance": membership.instance,
            "protocol": match membership.protocol { Protocol::Classic => "classic", Protocol::Consumer => "consumer" },
        });
        let mut member = Member::spawn(&mut command);
        let stdin = member.stdin.as_mut().expect("standard input is piped");
        writeln!(stdin, "{order}").expect("the member reads its order");
        member
    }

    /// Starts a member that is a consumer of the Java client, for the consumer protocol; none where there is no Java.
    pub fn start_java(membership: &Membership) -> Option<Member> {
        assert_eq!(membership.protocol, Protocol::Consumer, "the other clients speak the classic protocol");
        let mut command = java("GroupMember.java")?;
        command.args([&membership.bootstrap, &membership.group, &membership.topic, membership.strategy]);
        Some(Member::spawn(&mut command))
    }

    fn spawn(command: &mut Command) -> Member {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        process::die_with_parent(command);
        let mut child = command.spawn().expect("a member starts");
        let stdin = child.stdin.take().expect("standard input is piped");
        let stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let said = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
                // Nobody listens any more when the test is over.
                let _ = sender.send(said);
            }
        });
        Member { child, stdin: Some(stdin), lines, assigned: Vec::new(), read: Vec::new() }
    }

    /// Takes what the member has said, waiting for the first of it at most this long.
    pub fn listen(&mut self, wait: Duration) {
        let first = self.lines.recv_timeout(wait).ok();
        let said: Vec<Value> = first.into_iter().chain(self.lines.try_iter()).collect();
        for said in said {
            let numbers = |value: &Value| -> Vec<i64> {
                value.as_array().into_iter().flatten().filter_map(Value::as_i64).collect()
            };
            if let Some(error) = said.get("error") {
                panic!("a member of the group: {error}");
            }
            if let Some(assigned) = said.get("assigned") {
                self.assigned = numbers(assigned);
            }
            if said.get("revoked").is_some() {
                self.assigned.clear();
            }
            if let Some(&[partition, offset]) = said.get("read").map(numbers).as_deref() {
                self.read.push((partition, offset));
            }
        }
    }

    /// SIGKILL: the group has to notice by itself.
    pub fn kill_9(mut self) {
        self.child.kill().expect("SIGKILL is delivered");
        self.child.wait().expect("a killed process ends");
    }

    /// Leaves the group in good order.
    pub fn leave(mut self) {
        self.stdin = None;
        let status = self.child.wait().expect("a member ends");
        assert!(status.success(), "a member that left: {status}");
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It may have ended; either way it is gone after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Listens to members until what they own is as expected, in whatever order, and gives how long that took.
pub fn wait_for_shares(members: &mut [Member], expected: &[&[i64]]) -> Duration {
    let watch = Stopwatch::start();
    let mut wanted: Vec<Vec<i64>> = expected.iter().map(|share| share.to_vec()).collect();
    wanted.sort();
    loop {
        for member in members.iter_mut() {
            member.listen(Duration::from_millis(20));
        }
        let mut shares: Vec<Vec<i64>> = members.iter().map(|member| member.assigned.clone()).collect();
        shares.sort();
        if shares == wanted {
            return watch.elapsed();
        }
        assert!(watch.elapsed() < AGREED_WITHIN, "the members own {shares:?}, and should {wanted:?}");
    }
}

/// Listens to members until they have read so many records together.
pub fn wait_for_records(members: &mut [Member], count: usize) {
    let watch = Stopwatch::start();
    while members.iter().map(|member| member.read.len()).sum::<usize>() < count {
        for member in members.iter_mut() {
            member.listen(Duration::from_millis(20));
        }
        assert!(watch.elapsed() < AGREED_WITHIN, "{count} records were not read in time");
    }
}
