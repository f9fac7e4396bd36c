use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use vectr_delta::Fingerprint;

use crate::TransportError;
use crate::address::Address;
use crate::connection::Lease;
use crate::connection::stream::PeerStream;
use crate::endpoint::dial::{Dialed, dial};
use crate::endpoint::inner::EndpointInner;
use crate::endpoint::pool::{Lookup, Outcome, OutcomeSender};
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
        let (lease, pooled) = match inner.pool.find(address)? {
            Lookup::Live(lease) => (lease, true),
            Lookup::Connecting(outcome) => (wait_for(inner, outcome).await?, false),
            Lookup::Vacant(sender, tickets) => {
                let early = opening.clone().filter(|_| kind == StreamKind::Session);
                let dialed = dial_shared(inner, address, sender, tickets, early).await?;
                if let Some(stream) = dialed.early {
                    return Ok(stream);
                }
                (inner.pool.lease(&dialed.connection)?, false)
            }
        };
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
        Lookup::Connecting(outcome) => Arc::clone(wait_for(inner, outcome).await?.connection()),
        Lookup::Vacant(sender, tickets) => {
            dial_shared(inner, address, sender, tickets, None).await?.connection
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

async fn wait_for(inner: &EndpointInner, mut outcome: Outcome) -> Result<Lease, TransportError> {
    let connection = match outcome.wait_for(Option::is_some).await {
        Ok(ended) => ended.clone().expect("waited until there was an outcome")?,
        Err(_) => return Err(TransportError::endpoint_closed()),
    };
    inner.pool.lease(&connection)
}

/// Dials in a task of its own: other callers wait for the same attempt, so it must outlive one that gives up.
async fn dial_shared(
    inner: &Arc<EndpointInner>,
    address: &Address,
    sender: OutcomeSender,
    tickets: Arc<Tickets>,
    opening: Option<(Fingerprint, Bytes)>,
) -> Result<Dialed, TransportError> {
    let (hand_over, handed) = oneshot::channel();
    let (inner, address) = (Arc::clone(inner), address.clone());
    tokio::spawn(async move {
        let dialed = dial(Arc::clone(&inner), address.clone(), tickets, opening).await;
        let result = dialed.as_ref().map(|dialed| Arc::clone(&dialed.connection)).map_err(Clone::clone);
        if let Ok(connection) = &result {
            connection.watch_trust();
            if let Some(inbox) = inner.inbox.get().cloned() {
                let (raw, origin) = (connection.raw.clone(), address.to_string());
                tokio::spawn(serve_dialed(inbox, Arc::downgrade(connection), raw, origin));
            }
        }
        inner.pool.settle(&address, &sender, result);
        let _ = hand_over.send(dialed);
    });
    handed.await.unwrap_or(Err(TransportError::endpoint_closed()))
}
