//! Accepting connections on one shard. Every shard listens on the same address and the kernel spreads the connections.

use std::io;
use std::rc::Rc;

use engine::ring::{self, Listener, Socket};

use super::arrivals::{Admission, Refused};
use super::connection;
use super::table::Patience;
use crate::limits::{ACCEPT_RETRY, CONNECTION_SWEEP, SEND_CONTENDED};
use crate::shard::Context;

/// Accepts until the shard stops. One such task runs on a shard; dropping it closes the listening socket.
pub async fn accept(ctx: Rc<Context>, listener: Listener) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok(socket) => {
                failing = false;
                let pause = ctx.arrivals.pause(ctx.clock.monotonic());
                match judge(&ctx, &socket) {
                    Ok(admission) => {
                        ctx.metrics.connections_accepted.add(1);
                        ring::spawn(connection::serve(ctx.clone(), socket, admission));
                    }
                    Err(reason) => {
                        if ctx.metrics.connections_refused.get() == 0 {
                            tracing::warn!(shard = %ctx.shard, %reason, "a connection is closed as it comes; others are closed silently");
                        }
                        ctx.metrics.connections_refused.add(1);
                        socket.close();
                    }
                }
                if !pause.is_zero() {
                    // `max.connection.creation.rate` is reached. Whoever comes waits in the backlog.
                    ctx.ring.sleep(pause).await;
                }
            }
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => return,
            Err(error) => {
                if !failing && !concerns_one_peer(&error) {
                    failing = true;
                    tracing::warn!(shard = %ctx.shard, %error, "cannot accept connections for now");
                }
                ctx.ring.sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Why a connection is closed as it comes.
#[derive(Debug, thiserror::Error)]
enum Unwelcome {
    #[error("connections.per.shard.max is reached")]
    ShardFull,
    #[error(transparent)]
    Node(#[from] Refused),
    #[error("the quota connection_creation_rate of its address is used up")]
    TooOften,
    #[error("it was gone before it was looked at: {0}")]
    Gone(#[from] io::Error),
}

fn judge(ctx: &Context, socket: &Socket) -> Result<Admission, Unwelcome> {
    if ctx.connections.open_count() >= ctx.config.connections_per_shard_max as usize {
        return Err(Unwelcome::ShardFull);
    }
    let address = socket.peer_addr()?.ip();
    let image = ctx.image.borrow();
    let quotas = image.quotas();
    if !quotas.is_empty() && !ctx.quota_clients.may_connect(quotas, address, ctx.clock.monotonic()) {
        return Err(Unwelcome::TooOften);
    }
    Ok(ctx.arrivals.admit(address)?)
}

/// Closes connections that passed a deadline, until the shard ends. One such task runs on a shard.
pub async fn sweep(ctx: Rc<Context>) {
    loop {
        ctx.ring.sleep(CONNECTION_SWEEP).await;
        let idle_max = ctx.config.connection_idle;
        // Answers that nobody takes hold memory that others wait for.
        let send_max = if ctx.fetch_memory.is_contended() { SEND_CONTENDED.min(idle_max) } else { idle_max };
        let closed = ctx.connections.close_overdue(ctx.clock.monotonic(), Patience { idle_max, send_max });
        ctx.metrics.connections_expired.add(closed);
    }
}

fn concerns_one_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    ) || error.raw_os_error() == Some(libc::EINVAL)
}
