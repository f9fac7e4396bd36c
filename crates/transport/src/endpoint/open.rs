use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use vectr_delta::Fingerprint;

use crate::TransportError;
use crate::address::Address;
use crate::connection::stream::PeerStream;
use crate::connection::{Connection, Lease};
use crate::endpoint::dial::{Dialed, dial};
use crate::endpoint::inner::EndpointInner;
use crate::endpoint::pool::{Attempt, Lookup, Outcome};
use crate::endpoint::silence;
use crate::endpoint::stream_router::serve_dialed;
use crate::protocol::StreamKind;
use crate::tls::tickets::Tickets;

/// Opens a stream to an address over the connection accepted from there (messages only), the pooled one, or a new one.
pub(crate) async fn open(
    inner: &Arc<EndpointInner>,
    address: &Address,
    kind: StreamKind,
    opening: Option<(Fingerprint, Bytes)>,
) -> Result<PeerStream, TransportError> {
    let mut may_be_stale = true;
    if kind == StreamKind::Messages
        && let Some(lease) = inner.accepted_from(address)
    {
        return open_on(inner, lease, kind, opening).await;
    }
    loop {
        let connection = match inner.pool.find(address)? {
            Lookup::Live(lease) => Err(lease),
            Lookup::Connecting(outcome) => Ok(wait_for(outcome).await?),
            Lookup::Vacant(attempt, tickets) => {
                let early = opening.clone().filter(|_| kind == StreamKind::Session);
                let dialed = dial_shared(inner, address, attempt, tickets, early).await?;
                if let Some(stream) = dialed.early {
                    return Ok(stream);
                }
                Ok(dialed.connection)
            }
        };
        let (lease, pooled) = match connection.map(|connection| inner.pool.lease(&connection)) {
            Err(lease) => (lease, true),
            Ok(Ok(lease)) => (lease, false),
            // A change of the trust configuration has overtaken it.
            Ok(Err(TransportError::Lost { .. })) if may_be_stale => {
                may_be_stale = false;
                continue;
            }
            Ok(Err(error)) => return Err(error),
        };
        if pooled {
            silence::watch(inner, address, lease.connection());
        }
        match open_on(inner, lease, kind, opening.clone()).await {
            // The pooled connection had died unnoticed. Nothing was sent over it, so try once more.
            Err(TransportError::Lost { .. } | TransportError::TimedOut { .. }) if pooled && may_be_stale => {
                may_be_stale = false;
            }
            opened => return opened,
        }
    }
}

/// Returns the peer at an address, connecting if there is no live connection.
pub(crate) async fn connect(
    inner: &Arc<EndpointInner>,
    address: &Address,
) -> Result<Fingerprint, TransportError> {
    let connection = match inner.pool.find(address)? {
        Lookup::Live(lease) => Arc::clone(lease.connection()),
        Lookup::Connecting(outcome) => wait_for(outcome).await?,
        Lookup::Vacant(attempt, tickets) => {
            dial_shared(inner, address, attempt, tickets, None).await?.connection
        }
    };
    connection.check()?;
    Ok(connection.peer)
}

async fn open_on(
    inner: &EndpointInner,
    lease: Lease,
    kind: StreamKind,
    opening: Option<(Fingerprint, Bytes)>,
) -> Result<PeerStream, TransportError> {
    let remote = lease.connection().remote();
    let opened = PeerStream::open(lease, kind, opening);
    let busy = TransportError::Busy { remote, reason: "it allows no more streams at a time" };
    tokio::time::timeout(inner.config.connect_timeout, opened).await.unwrap_or(Err(busy))
}

async fn wait_for(mut outcome: Outcome) -> Result<Arc<Connection>, TransportError> {
    match outcome.wait_for(Option::is_some).await {
        Ok(ended) => ended.clone().expect("waited until there was an outcome"),
        Err(_) => Err(TransportError::endpoint_closed()),
    }
}

/// Dials in a task of its own: other callers wait for the same attempt, so it must outlive one that gives up.
async fn dial_shared(
    inner: &Arc<EndpointInner>,
    address: &Address,
    attempt: Attempt,
    tickets: Arc<Tickets>,
    opening: Option<(Fingerprint, Bytes)>,
) -> Result<Dialed, TransportError> {
    let (hand_over, handed) = oneshot::channel();
    let (inner, address) = (Arc::clone(inner), address.clone());
    tokio::spawn(async move {
        let dialed = tokio::select! {
            dialed = dial(Arc::clone(&inner), address.clone(), tickets, opening) => dialed,
            () = inner.closed() => Err(TransportError::endpoint_closed()),
        };
        let result = dialed.as_ref().map(|dialed| Arc::clone(&dialed.connection)).map_err(Clone::clone);
        if let Ok(connection) = &result {
            connection.watch_trust();
            tokio::spawn(serve_dialed(&inner, connection, address.to_string()));
        }
        inner.pool.settle(&address, &attempt, result);
        let _ = hand_over.send(dialed);
    });
    handed.await.unwrap_or(Err(TransportError::endpoint_closed()))
}
