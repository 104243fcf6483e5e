//! Sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{on_shard, poll_once, small, until};
use crate::memory::{AlignedBuf, ChunkWriter};
use crate::ring::{Part, Ring, RingConfig, Socket, spawn};

pub(super) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Both ends of a connection, on one shard.
pub(super) async fn connected(ring: &Ring) -> (Socket, Socket) {
    let listener = ring.listen(any_port(), 16).expect("listening works");
    let connect = {
        let (ring, address) = (ring.clone(), listener.local_addr().expect("it is bound"));
        spawn(async move { ring.connect(address).await })
    };
    let accepted = listener.accept().await.expect("a connection comes");
    (accepted, connect.await.expect("the connection is made"))
}

#[test]
fn both_ends_know_each_other() {
    on_shard(small(), |ring| async move {
        let (ours, theirs) = connected(&ring).await;
        assert_eq!(ours.peer_addr().expect("connected"), theirs.local_addr().expect("connected"));
        assert_eq!(theirs.peer_addr().expect("connected"), ours.local_addr().expect("connected"));
        let refused = ring.connect(SocketAddr::from(([127, 0, 0, 1], 1))).await.expect_err("nobody listens there");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn parts_of_all_kinds_arrive_in_order_and_come_back() {
    on_shard(small(), |ring| async move {
        let (ours, theirs) = connected(&ring).await;
        let mut writer = ChunkWriter::new(AlignedBuf::zeroed(100));
        let range = writer.append(b"span");
        let shared: Arc<[u8]> = b"shared".to_vec().into();
        let parts = vec![b"owned".to_vec().into(), Part::Span(writer.span(range)), vec![].into(), shared.into()];
        let (sent, parts) = ours.send_all(parts).await;
        sent.expect("the send works");
        assert_eq!(parts.len(), 4);
        let (count, bytes) = theirs.recv_exact_into(Vec::with_capacity(64), 15).await;
        assert_eq!((count.expect("it works"), &bytes[..]), (15, &b"ownedspanshared"[..]));
    });
}

#[test]
fn a_send_of_more_parts_and_bytes_than_one_call_takes_arrives_whole() {
    on_shard(small(), |ring| async move {
        let (ours, theirs) = connected(&ring).await;
        const PARTS: usize = 3000;
        const EACH: usize = 5001;
        let parts: Vec<Part> = (0..PARTS).map(|index| vec![index as u8; EACH].into()).collect();
        let sending = spawn(async move { ours.send_all(parts).await.0 });
        let (count, bytes) = theirs.recv_exact_into(Vec::with_capacity(PARTS * EACH), PARTS * EACH).await;
        assert_eq!(count.expect("it works"), PARTS * EACH);
        assert!(bytes.chunks(EACH).enumerate().all(|(index, part)| part.iter().all(|byte| *byte == index as u8)));
        sending.await.expect("the send works");
    });
}

#[test]
fn the_end_of_the_stream_is_empty_and_a_cut_message_is_short() {
    on_shard(small(), |ring| async move {
        let (ours, theirs) = connected(&ring).await;
        theirs.send_all(vec![b"abc".to_vec().into()]).await.0.expect("the send works");
        theirs.shutdown_write();
        let (count, bytes) = ours.recv_exact_into(b"have ".to_vec_with_room(10), 10).await;
        assert_eq!((count.expect("a short message is no error"), &bytes[..]), (3, &b"have abc"[..]));
        assert!(ours.recv_provided().await.expect("the end is no error").is_empty());
        ours.close();
        assert!(theirs.recv_provided().await.expect("the end is no error").is_empty());
    });
}

trait WithRoom {
    fn to_vec_with_room(&self, room: usize) -> Vec<u8>;
}

impl<const N: usize> WithRoom for [u8; N] {
    fn to_vec_with_room(&self, room: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(N + room);
        bytes.extend_from_slice(self);
        bytes
    }
}

/// Four buffers, all kept: the next receive waits, without an error, until one is dropped.
#[test]
fn a_receive_without_a_free_buffer_waits_for_one() {
    on_shard(small(), |ring| async move {
        let (ours, theirs) = connected(&ring).await;
        theirs.send_all(vec![vec![9_u8; 6 * 4096].into()]).await.0.expect("the send works");
        let mut kept = Vec::new();
        let mut received = 0;
        for _ in 0..4 {
            let chunk = ours.recv_provided().await.expect("a buffer is free");
            received += chunk.len();
            kept.push(chunk);
        }
        let mut waiting = Box::pin(ours.recv_provided());
        for _ in 0..10 {
            assert!(poll_once(&mut waiting).await.is_none(), "no buffer is free");
            ring.sleep(Duration::from_millis(1)).await;
        }
        assert!(ring.stats().recv_buffer_waits >= 1);
        kept.pop();
        received += waiting.await.expect("a buffer is free again").len();
        drop(kept);
        while received < 6 * 4096 {
            received += ours.recv_provided().await.expect("buffers are free").len();
        }
        assert_eq!(ring.shared.buffers.lent(), 0);
    });
}

/// Many more connections with bytes waiting than there are buffers: all are served in the end.
#[test]
fn many_sockets_share_few_buffers() {
    const SOCKETS: usize = 300;
    const ROUNDS: usize = 5;
    let config = RingConfig { entries: 64, ..small() };
    on_shard(config, |ring| async move {
        let listener = ring.listen(any_port(), 1024).expect("listening works");
        let address = listener.local_addr().expect("it is bound");
        spawn(async move {
            while let Ok(socket) = listener.accept().await {
                spawn(echo(socket));
            }
        });
        let clients: Vec<_> =
            (0..SOCKETS).map(|index| spawn(ask(ring.clone(), address, index as u8, ROUNDS))).collect();
        for client in clients {
            client.await;
        }
        assert!(ring.stats().recvs >= (SOCKETS * ROUNDS) as u64);
    });
}

async fn echo(socket: Socket) {
    while let Ok(chunk) = socket.recv_provided().await {
        if chunk.is_empty() || socket.send_all(vec![chunk.to_vec().into()]).await.0.is_err() {
            return;
        }
    }
}

async fn ask(ring: Ring, address: SocketAddr, byte: u8, rounds: usize) {
    let socket = ring.connect(address).await.expect("the connection is made");
    for _ in 0..rounds {
        socket.send_all(vec![vec![byte; 2000].into()]).await.0.expect("the send works");
        let (count, bytes) = socket.recv_exact_into(Vec::with_capacity(2000), 2000).await;
        assert_eq!(count.expect("the answer comes"), 2000);
        assert!(bytes.iter().all(|got| *got == byte));
    }
}

#[test]
fn connections_accepted_but_never_taken_are_closed_with_their_listener() {
    on_shard(small(), |ring| async move {
        let listener = ring.listen(any_port(), 16).expect("listening works");
        let address = listener.local_addr().expect("it is bound");
        let mut accept = Box::pin(listener.accept());
        assert!(poll_once(&mut accept).await.is_none());
        drop(accept);
        let first = ring.connect(address).await.expect("the connection is made");
        let second = ring.connect(address).await.expect("the connection is made");
        ring.sleep(Duration::from_millis(5)).await;
        drop(listener);
        for socket in [first, second] {
            // The end, or a reset: either way the connection is gone and does not hang.
            let end = socket.recv_provided().await;
            assert!(end.map_or(true, |chunk| chunk.is_empty()));
        }
        until(&ring, || ring.stats().in_flight == 0).await;
        ring.connect(address).await.expect_err("nobody listens any more");
    });
}

#[test]
fn two_listeners_share_one_port() {
    on_shard(small(), |ring| async move {
        let first = ring.listen(any_port(), 16).expect("listening works");
        let address = first.local_addr().expect("it is bound");
        let second = ring.listen(address, 16).expect("the port may be shared");
        assert_eq!(second.local_addr().expect("it is bound"), address);
    });
}
