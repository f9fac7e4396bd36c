use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::connection::stream::PeerStream;
use crate::connection::{Connection, Lease};
use crate::endpoint::inner::EndpointInner;
use crate::endpoint::ping;
use crate::messages::{self, Inbox};
use crate::protocol::{STREAM_KIND_UNKNOWN, StreamKind};

/// Serves the streams of an accepted connection until it ends.
pub(crate) async fn serve_connection(
    inner: &EndpointInner,
    connection: Arc<Connection>,
    streams: &mpsc::Sender<PeerStream>,
) {
    connection.lift_restrictions(inner.config.max_concurrent_streams);
    connection.watch_trust();
    let origin = inner.add_accepted(&connection);
    while let Ok((send, recv)) = connection.raw.accept_bi().await {
        if connection.check().is_err() {
            break;
        }
        let stream = PeerStream::new(Lease::new(&connection), send, recv);
        tokio::spawn(route(stream, streams.clone(), inner.inbox.get().cloned(), origin.clone()));
    }
    inner.remove_accepted(&origin, &connection);
}

/// Serves the streams that the peer opens on a connection made by this node: messages, and pings. Sessions belong to
/// listeners.
pub(crate) fn serve_dialed(
    inner: &Arc<EndpointInner>,
    connection: &Arc<Connection>,
    origin: String,
) -> impl Future<Output = ()> + use<> {
    let (inner, raw, connection) =
        (Arc::downgrade(inner), connection.raw.clone(), Arc::downgrade(connection));
    async move {
        let inbox = || inner.upgrade().and_then(|inner| inner.inbox.get().cloned());
        // Over TCP a stream for the peer is kept only where it is of use.
        if raw.is_fallback() && inbox().is_none() {
            return;
        }
        while let Ok((send, recv)) = raw.accept_bi().await {
            let Some(connection) = connection.upgrade() else { return };
            if connection.check().is_err() {
                return;
            }
            let (nobody, _) = mpsc::channel(1);
            let stream = PeerStream::new(Lease::new(&connection), send, recv);
            tokio::spawn(route(stream, nobody, inbox(), origin.clone()));
        }
    }
}

/// Reads the kind of a stream and passes the stream on accordingly. A peer that says nothing, or does not end a ping, keeps
/// it for [`Connection::patience`] at most.
async fn route(
    mut stream: PeerStream,
    streams: mpsc::Sender<PeerStream>,
    inbox: Option<Arc<Inbox>>,
    origin: String,
) {
    let patience = stream.connection().patience();
    let Ok(Ok(Some(mut first))) = timeout(patience, stream.recv.read()).await else { return };
    match (StreamKind::from_byte(first.split_to(1)[0]), inbox) {
        (Some(StreamKind::Session), _) => {
            stream.recv.unread(first);
            // An error means that the listener is gone.
            let _ = streams.send(stream).await;
        }
        (Some(StreamKind::Ping), _) => {
            stream.recv.unread(first);
            // An error means that the peer has given up.
            let _ = timeout(patience, ping::answer(stream)).await;
        }
        (Some(StreamKind::Messages), Some(inbox)) => {
            stream.recv.unread(first);
            messages::serve(inbox, stream, origin).await;
        }
        // An unexpected proof: the two nodes do not share a configuration.
        (Some(StreamKind::Proof), _) => stream.connection().refuse_proof(),
        (Some(StreamKind::Messages) | None, _) => {
            stream.send.reset(STREAM_KIND_UNKNOWN);
            stream.recv.stop(STREAM_KIND_UNKNOWN);
        }
    }
}
