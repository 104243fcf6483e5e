//! A proxy that loses answers: now and then it cuts a connection instead of passing on what the broker has answered, so that the client
//! does not know what became of its request.

use crate::random::Random;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Nothing passes for so long only if something is stuck.
const PASSED_WITHIN: Duration = Duration::from_secs(60);
/// No answer of these tests is larger.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A proxy; it ends with the process.
pub struct CuttingProxy {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    broker: Option<SocketAddr>,
    random: Random,
    /// Of so many answers one is lost.
    cut_share: Option<u64>,
    passed: u64,
    cut: u64,
}

/// What becomes of an answer.
enum Fate {
    Passed,
    /// So many of its bytes arrive.
    Cut(usize),
}

impl CuttingProxy {
    /// Listens. Connections wait until it is known where the broker is.
    pub fn start(seed: u64, cut_share: u64) -> CuttingProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let inner =
            Inner { broker: None, random: Random::from_seed(seed), cut_share: Some(cut_share), passed: 0, cut: 0 };
        let state = Arc::new(State { inner: Mutex::new(inner), changed: Condvar::new() });
        let accepting = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&accepting);
                std::thread::spawn(move || state.serve(client));
            }
        });
        CuttingProxy { address, state }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connections go to this broker.
    pub fn lead_to(&self, broker: SocketAddr) {
        self.state.lock().broker = Some(broker);
        self.state.changed.notify_all();
    }

    /// From now on every answer arrives.
    pub fn cut_no_more(&self) {
        self.state.lock().cut_share = None;
    }

    /// Waits until so many more answers have been passed on or lost, or `is_over` says that none will be. Returns whether they have.
    pub fn wait_for_answers(&self, more: u64, is_over: impl Fn() -> bool) -> bool {
        let mut inner = self.state.lock();
        let wanted = inner.passed + inner.cut + more;
        let mut idle = Duration::ZERO;
        while inner.passed + inner.cut < wanted {
            if is_over() {
                return false;
            }
            assert!(idle < PASSED_WITHIN, "no answer passes any more");
            let step = Duration::from_millis(50);
            let (next, timeout) = self.state.changed.wait_timeout(inner, step).unwrap_or_else(PoisonError::into_inner);
            idle = if timeout.timed_out() { idle + step } else { Duration::ZERO };
            inner = next;
        }
        true
    }

    /// How many answers were lost.
    pub fn cut(&self) -> u64 {
        self.state.lock().cut
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(self: Arc<Self>, client: TcpStream) {
        let broker = {
            let mut inner = self.lock();
            loop {
                match inner.broker {
                    Some(broker) => break broker,
                    None => inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
                }
            }
        };
        // A broker that is down refuses; the client sees its connection closed.
        let Ok(broker) = TcpStream::connect(broker) else { return };
        let both = |stream: &TcpStream| Ok::<_, io::Error>((stream.try_clone()?, stream.try_clone()?));
        let (Ok((mut from_client, to_client)), Ok((mut to_broker, from_broker))) = (both(&client), both(&broker))
        else {
            return;
        };
        std::thread::spawn(move || {
            // However it ends, the other side is told.
            let _ = io::copy(&mut from_client, &mut to_broker);
            let _ = to_broker.shutdown(Shutdown::Both);
        });
        let _ = self.pass_answers(from_broker, to_client);
        let _ = client.shutdown(Shutdown::Both);
        let _ = broker.shutdown(Shutdown::Both);
    }

    /// Passes answers on until one is lost or a side closes.
    fn pass_answers(&self, mut broker: TcpStream, mut client: TcpStream) -> io::Result<()> {
        loop {
            let mut length = [0; 4];
            broker.read_exact(&mut length)?;
            let len = usize::try_from(i32::from_be_bytes(length)).map_err(io::Error::other)?;
            assert!(len <= ANSWER_BYTES_MAX, "an answer of {len} bytes");
            let mut answer = length.to_vec();
            answer.resize(4 + len, 0);
            broker.read_exact(&mut answer[4..])?;
            match self.decide(answer.len()) {
                Fate::Passed => client.write_all(&answer)?,
                Fate::Cut(bytes) => return client.write_all(&answer[..bytes]),
            }
        }
    }

    fn decide(&self, answer_bytes: usize) -> Fate {
        let mut inner = self.lock();
        let is_lost = inner.cut_share.is_some_and(|share| inner.random.between(0, share) == 0);
        let fate = if is_lost {
            inner.cut += 1;
            Fate::Cut(inner.random.between(0, answer_bytes as u64) as usize)
        } else {
            inner.passed += 1;
            Fate::Passed
        };
        self.changed.notify_all();
        fate
    }
}
