use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::address::Address;
use crate::connection::Connection;
use crate::connection::raw::RawConnection;
use crate::connection::stream::PeerStream;
use crate::endpoint::inner::EndpointInner;
use crate::endpoint::sockets::{ListenerSockets, Sockets};
use crate::endpoint::stream_router::serve_connection;
use crate::endpoint::tcp_connections::TcpConnections;
use crate::protocol::{CloseCode, Protocol, WITHOUT_SECRET};
use crate::trust::{Role, exported_label};
use crate::{TransportError, tcp};

/// Accepts streams from trusted peers on one address. Closes when dropped.
pub struct Listener {
    sockets: Arc<ListenerSockets>,
    local: SocketAddr,
    streams: tokio::sync::Mutex<mpsc::Receiver<PeerStream>>,
}

impl Listener {
    pub(crate) async fn bind(inner: &Arc<EndpointInner>, address: &Address) -> Result<Self, TransportError> {
        let mut bound = Err(TransportError::config(address, &"its name has no address"));
        for local in address.resolve().await? {
            bound = Sockets::bind(&inner.tls, &inner.config, local)
                .await
                .map_err(|error| cannot_listen(address, &error));
            if bound.is_ok() {
                break;
            }
        }
        let Sockets { local, udp, tcp } = bound?;
        let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
        let connections = Arc::<TcpConnections>::default();
        let accept = |tcp| accept_tcp(Arc::clone(inner), tcp, Arc::clone(&connections), sender.clone());
        let tcp = tcp.map(|tcp| tokio::spawn(accept(tcp)));
        let endpoint = udp.as_ref().map(|(endpoint, _)| endpoint.clone());
        let sockets = Arc::new(ListenerSockets::new(udp, tcp, Arc::clone(&connections)));
        inner.add_listener(&sockets)?;
        if let Some(endpoint) = endpoint {
            tokio::spawn(accept_quic(Arc::clone(inner), endpoint, sender));
        }
        Ok(Self { sockets, local, streams: tokio::sync::Mutex::new(receiver) })
    }

    /// The bound address, with the actual port.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Waits for the next stream opened by a peer. The handshake is complete, and the peer is trusted under the current
    /// rules. `None` once the listener is closed. Safe to cancel.
    pub async fn accept(&self) -> Option<PeerStream> {
        let mut streams = self.streams.lock().await;
        loop {
            let stream = streams.recv().await?;
            if stream.connection().end().is_none() && stream.connection().check().is_ok() {
                return Some(stream);
            }
        }
    }

    /// Closes the listener and the connections that it accepted. Closing again does nothing. The port is free
    /// afterwards, unless a stream from this listener is still held.
    pub async fn close(&self) {
        self.sockets.close().await;
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local", &self.local).finish_non_exhaustive()
    }
}

async fn accept_quic(
    inner: Arc<EndpointInner>,
    endpoint: quinn::Endpoint,
    streams: mpsc::Sender<PeerStream>,
) {
    while let Some(incoming) = endpoint.accept().await {
        // Forged source addresses can occupy at most half of the permits, for the duration of a handshake.
        let crowded = inner.accept_permits.available_permits() * 2 <= inner.config.max_connections;
        if crowded && !incoming.remote_address_validated() && incoming.may_retry() {
            let _ = incoming.retry();
            continue;
        }
        match Arc::clone(&inner.accept_permits).try_acquire_owned() {
            Ok(permit) => drop(tokio::spawn(serve(Arc::clone(&inner), incoming, permit, streams.clone()))),
            Err(_) => incoming.refuse(),
        }
    }
}

/// Serves one incoming connection. Awaits its handshake: `into_0rtt` would hand out streams of unauthenticated peers.
async fn serve(
    inner: Arc<EndpointInner>,
    incoming: quinn::Incoming,
    permit: OwnedSemaphorePermit,
    streams: mpsc::Sender<PeerStream>,
) {
    let has_secrets = inner.trust.read(|rules| !rules.secrets.is_empty());
    let accepted = if has_secrets { inner.tls.accept_restricted(incoming) } else { incoming.accept() };
    let Ok(connecting) = accepted else { return };
    let Ok(Ok(connection)) = tokio::time::timeout(inner.config.connect_timeout, connecting).await else {
        return;
    };
    match Protocol::of(&connection) {
        Some(Protocol::Vectr1) => {
            if let Some(connection) = admit(&inner, RawConnection::Quic(connection)).await {
                serve_connection(&inner, connection, &streams).await;
            }
        }
        None => connection.close(CloseCode::Protocol.into(), b"unknown protocol"),
    }
    drop(permit);
}

async fn accept_tcp(
    inner: Arc<EndpointInner>,
    listener: TcpListener,
    connections: Arc<TcpConnections>,
    streams: mpsc::Sender<PeerStream>,
) {
    // Unauthenticated peers do not use up accepted connections; only their own number is limited.
    let handshake_permits = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let handshake_permit =
            Arc::clone(&handshake_permits).acquire_owned().await.expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((socket, _)) => {
                let serving = serve_tcp(
                    Arc::clone(&inner),
                    socket,
                    handshake_permit,
                    Arc::clone(&connections),
                    streams.clone(),
                );
                tokio::spawn(serving);
            }
            // Most likely out of file descriptors. Wait for some to be released.
            Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
        }
    }
}

async fn serve_tcp(
    inner: Arc<EndpointInner>,
    socket: TcpStream,
    handshake_permit: OwnedSemaphorePermit,
    connections: Arc<TcpConnections>,
    streams: mpsc::Sender<PeerStream>,
) {
    let accepted = tcp::accept(socket, inner.tls.tcp_server(), exported_label(), inner.tcp_params());
    let Ok(Ok(connection)) = tokio::time::timeout(inner.config.connect_timeout, accepted).await else {
        return;
    };
    if !connections.add(&connection) {
        return;
    }
    let Some(connection) = admit(&inner, RawConnection::Tcp(connection)).await else { return };
    drop(handshake_permit);
    match Arc::clone(&inner.accept_permits).try_acquire_owned() {
        Ok(_permit) => serve_connection(&inner, connection, &streams).await,
        Err(_) => connection.raw.close(CloseCode::Busy, b"no more connections"),
    }
}

/// Admits the peer if it is trusted.
async fn admit(inner: &EndpointInner, connection: RawConnection) -> Option<Arc<Connection>> {
    let context = inner.error_context(connection.remote_address());
    let admitted = Connection::admit(connection.clone(), Role::Client, &inner.trust, context);
    match tokio::time::timeout(inner.config.connect_timeout, admitted).await {
        Ok(admitted) => admitted.ok(),
        Err(_) => {
            connection.close(CloseCode::Trust, WITHOUT_SECRET);
            None
        }
    }
}

fn cannot_listen(address: &Address, error: &std::io::Error) -> TransportError {
    TransportError::config(&format!("cannot listen on {address}"), error)
}

/// TCP connections whose peers are not authenticated yet.
const MAX_HANDSHAKES: usize = 64;
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Streams that may wait for `accept`. More wait inside their connections.
const STREAM_QUEUE: usize = 64;
