//! Notices that a peer was restarted.
//!
//! A peer that starts again with the same identity says so by a stateless reset. One with another identity, as every
//! node without a certificate has, cannot: what it sends means nothing to a connection with its last life, which would be
//! given up only after the idle timeout, and with it whatever waits for an answer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::TransportError;
use crate::address::Address;
use crate::connection::stream::PeerStream;
use crate::connection::{Connection, Lease};
use crate::endpoint::dial::dial;
use crate::endpoint::inner::EndpointInner;
use crate::endpoint::ping;
use crate::protocol::{CloseCode, StreamKind};

/// Call it when something is about to be sent over the pooled connection to an address. If nothing comes back while it
/// is in use, and the peer answers on a new connection instead, it is closed, and its streams fail as lost.
pub(crate) fn watch(inner: &Arc<EndpointInner>, address: &Address, connection: &Arc<Connection>) {
    // TCP reports the end of a peer by itself.
    if connection.raw.is_fallback() || !inner.pool.holds(address, connection) || !connection.begin_watch() {
        return;
    }
    let (inner, address, watched) = (Arc::downgrade(inner), address.clone(), Arc::downgrade(connection));
    tokio::spawn(async move {
        // A sign of life says nothing of what was sent after the look began.
        while let Some(seen) = watched.upgrade().map(|connection| connection.watched()) {
            if look(&inner, &address, &watched).await {
                continue;
            }
            let goes_on =
                |connection: Arc<Connection>| connection.end().is_none() && !connection.end_watch(seen);
            if !watched.upgrade().is_some_and(goes_on) {
                return;
            }
        }
    });
}

/// Waits for a sign of life. Returns whether another look is needed.
async fn look(inner: &Weak<EndpointInner>, address: &Address, watched: &Weak<Connection>) -> bool {
    let Some((before, pause)) = watched
        .upgrade()
        .map(|connection| (connection.raw.received(), PAUSE.max(ROUND_TRIPS * connection.raw.round_trip())))
    else {
        return false;
    };
    sleep(pause).await;
    let (Some(inner), Some(connection)) = (inner.upgrade(), watched.upgrade()) else { return false };
    if connection.end().is_some() || connection.is_idle() || answers(&connection, before).await {
        return false;
    }
    let dialed = tokio::select! {
        dialed = dial(Arc::clone(&inner), address.clone(), Arc::default(), None) => dialed,
        () = inner.closed() => return false,
    };
    match dialed {
        Ok(dialed) => {
            let cause = connection.error_context().lost("it was only to see who is there");
            dialed.connection.close(CloseCode::Done, b"probe", cause);
        }
        // Somebody else is there now.
        Err(TransportError::Untrusted { .. } | TransportError::Refused { .. }) => {}
        Err(_) => return true,
    }
    // Now that the network is known to carry, the connection has another chance.
    if !answers(&connection, before).await {
        let cause = connection
            .error_context()
            .lost("it fell silent, and its address answers on a new connection: it was restarted");
        connection.close(CloseCode::Done, b"silent", cause);
    }
    false
}

/// Whether anything has come since the count was `before`, or comes now that the peer is asked.
async fn answers(connection: &Arc<Connection>, before: u64) -> bool {
    if connection.raw.received() == before {
        let limit = ANSWER.max(ROUND_TRIPS * connection.raw.round_trip());
        let asked = async {
            let stream = PeerStream::open(Lease::new(connection), StreamKind::Ping, None).await?;
            ping::measure(stream, limit).await
        };
        // Any packet will do: a peer may have no stream to spare.
        let _ = timeout(limit, asked).await;
    }
    connection.raw.received() != before
}

/// A peer acknowledges within 25 ms and a round trip.
const PAUSE: Duration = Duration::from_millis(300);
const ANSWER: Duration = Duration::from_millis(200);
const ROUND_TRIPS: u32 = 4;
