//! Accepting connections on one shard. Every shard listens on the same address and the kernel spreads the connections.

use std::io;
use std::rc::Rc;

use engine::ring::{self, Listener};

use super::connection;
use super::table::Patience;
use crate::limits::{ACCEPT_RETRY, CONNECTION_SWEEP, SEND_CONTENDED};
use crate::shard::Context;

/// Accepts until the shard stops. One such task runs on a shard; dropping it closes the listening socket.
pub async fn accept(ctx: Rc<Context>, listener: Listener) {
    let open_max = ctx.config.connections_per_shard_max as usize;
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok(socket) if ctx.connections.open_count() < open_max => {
                failing = false;
                ctx.metrics.connections_accepted.add(1);
                ring::spawn(connection::serve(ctx.clone(), socket));
            }
            Ok(socket) => {
                if ctx.metrics.connections_refused.get() == 0 {
                    tracing::warn!(shard = %ctx.shard, open_max, "connections.per.shard.max is reached, further connections are closed");
                }
                ctx.metrics.connections_refused.add(1);
                socket.close();
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
