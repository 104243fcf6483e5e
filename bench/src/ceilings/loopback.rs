//! TCP over the loopback interface, between two threads that do nothing else.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use super::Figure;
use crate::clock::Stopwatch;
use crate::stats;

const SINK_BYTES: [usize; 2] = [64 << 10, 1 << 20];
const ECHO_BYTES: [usize; 3] = [1 << 10, 64 << 10, 1 << 20];

/// The round trip of a small message: the floor of any answer.
pub const SMALL_ECHO_P50: &str = "loopback TCP echo 1 KiB, p50";

/// Measures sinks (one way, as fast as it goes) and echoes (one message in flight).
pub fn measure(slice: Duration) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for bytes in SINK_BYTES {
        figures.push(Figure::new(
            format!("loopback TCP sink {} KiB", bytes >> 10),
            "MB/s",
            sink_mb_per_s(bytes, slice)?,
        ));
    }
    for bytes in ECHO_BYTES {
        let mut round_trips_us = echo_us(bytes, slice)?;
        let name = format!("loopback TCP echo {} KiB", bytes >> 10);
        figures.push(Figure::new(format!("{name}, p50"), "us", stats::percentile(&mut round_trips_us, 0.5)));
        figures.push(Figure::new(format!("{name}, p99"), "us", stats::percentile(&mut round_trips_us, 0.99)));
    }
    Ok(figures)
}

/// Whether a figure of this name is a rate.
pub fn is_rate(name: &str) -> bool {
    name.starts_with("loopback TCP sink")
}

/// The receiver counts and times, so that bytes which only reached a socket buffer do not count.
fn sink_mb_per_s(bytes: usize, slice: Duration) -> io::Result<f64> {
    let (mut sender, mut receiver) = connected()?;
    let sending = std::thread::spawn(move || -> io::Result<()> {
        let message = vec![0x5a; bytes];
        let watch = Stopwatch::start();
        while watch.elapsed() < slice {
            sender.write_all(&message)?;
        }
        Ok(())
    });
    let mut buffer = vec![0; bytes];
    let mut received = receiver.read(&mut buffer)?;
    let watch = Stopwatch::start();
    let before = received;
    loop {
        match receiver.read(&mut buffer)? {
            0 => break,
            count => received += count,
        }
    }
    let seconds = watch.seconds();
    sending.join().expect("the sender does not panic")?;
    Ok((received - before) as f64 / 1e6 / seconds)
}

fn echo_us(bytes: usize, slice: Duration) -> io::Result<Vec<f64>> {
    let (mut client, mut server) = connected()?;
    let echoing = std::thread::spawn(move || -> io::Result<()> {
        let mut message = vec![0; bytes];
        loop {
            match server.read_exact(&mut message) {
                Ok(()) => server.write_all(&message)?,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    });
    let mut message = vec![0x5a; bytes];
    let mut round_trips_us = Vec::new();
    let whole = Stopwatch::start();
    while whole.elapsed() < slice {
        let watch = Stopwatch::start();
        client.write_all(&message)?;
        client.read_exact(&mut message)?;
        round_trips_us.push(watch.seconds() * 1e6);
    }
    drop(client);
    echoing.join().expect("the echo does not panic")?;
    Ok(round_trips_us)
}

fn connected() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    Ok((client, server))
}
