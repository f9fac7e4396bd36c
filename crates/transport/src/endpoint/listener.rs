use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::address::Address;
use crate::connection::Connection;
use crate::connection::raw::RawConnection;
use crate::connection::stream::PeerStream;
use crate::endpoint::admission::StrangerPlace;
use crate::endpoint::inner::EndpointInner;
use crate::endpoint::sockets::{ListenerSockets, Sockets};
use crate::endpoint::stream_router::serve_connection;
use crate::endpoint::tcp_connections::TcpConnections;
use crate::limits::CLOSE_TIMEOUT;
use crate::protocol::{CloseCode, Protocol, WITHOUT_SECRET};
use crate::tcp::TcpSocket;
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
        let resolved = tokio::select! {
            resolved = address.resolve(inner.config.connect_timeout) => resolved?,
            () = inner.closed() => return Err(TransportError::endpoint_closed()),
        };
        for local in resolved {
            bound = Sockets::bind(&inner.tls, &inner.config, local)
                .await
                .map_err(|error| cannot_listen(address, &error));
            if bound.is_ok() {
                break;
            }
        }
        Self::on(inner, bound?).await
    }

    /// Accepts on these sockets.
    pub(crate) async fn on(
        inner: &Arc<EndpointInner>,
        Sockets { local, udp, tcp }: Sockets,
    ) -> Result<Self, TransportError> {
        let (sender, receiver) = mpsc::channel(STREAM_QUEUE);
        let connections = Arc::<TcpConnections>::default();
        let accept = |tcp| accept_tcp(Arc::clone(inner), tcp, Arc::clone(&connections), sender.clone());
        let tcp = tcp.map(|tcp| tokio::spawn(accept(tcp)).abort_handle());
        let sockets = Arc::new(ListenerSockets::new(local, udp, tcp, Arc::clone(&connections)));
        if let Err(closed) = inner.add_listener(&sockets) {
            // Whoever closes the endpoint waits for this.
            sockets.close().await;
            return Err(closed);
        }
        tokio::spawn(serve_udp(Arc::clone(inner), Arc::clone(&sockets), sender));
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

impl Drop for Listener {
    fn drop(&mut self) {
        self.sockets.shut_down();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local", &self.local).finish_non_exhaustive()
    }
}

/// Accepts connections over QUIC until the listener is closed. A socket that fails is bound anew.
async fn serve_udp(
    inner: Arc<EndpointInner>,
    sockets: Arc<ListenerSockets>,
    streams: mpsc::Sender<PeerStream>,
) {
    while let Some(endpoint) = sockets.udp() {
        accept_quic(&inner, endpoint, &streams).await;
        if !sockets.rebind(&inner.tls, &inner.socket_faults).await {
            return;
        }
    }
}

/// Accepts connections until the socket is closed, or fails.
async fn accept_quic(
    inner: &Arc<EndpointInner>,
    endpoint: quinn::Endpoint,
    streams: &mpsc::Sender<PeerStream>,
) {
    while let Some(incoming) = endpoint.accept().await {
        // Forged source addresses can take at most half of the places.
        let strangers = &inner.quic_strangers;
        if strangers.is_crowded() && !incoming.remote_address_validated() && incoming.may_retry() {
            let _ = incoming.retry();
            continue;
        }
        if !inner.members.may_enter(incoming.remote_address().ip()) {
            incoming.refuse();
            continue;
        }
        match strangers.enter(incoming.remote_address().ip()) {
            Some(place) => {
                drop(tokio::spawn(serve_quic(Arc::clone(inner), incoming, place, streams.clone())));
            }
            None => incoming.refuse(),
        }
    }
}

/// Serves one incoming connection. Awaits its handshake: `into_0rtt` would hand out streams of unauthenticated peers.
async fn serve_quic(
    inner: Arc<EndpointInner>,
    incoming: quinn::Incoming,
    place: StrangerPlace,
    streams: mpsc::Sender<PeerStream>,
) {
    let has_secrets = inner.trust.read(|rules| !rules.secrets.is_empty());
    let accepted = if has_secrets { inner.tls.accept_unproven(incoming) } else { incoming.accept() };
    let Ok(connecting) = accepted else { return };
    let handshake = async {
        let connected = tokio::time::timeout(inner.config.connect_timeout, connecting).await;
        let connection = connected.ok()?.ok()?;
        match Protocol::of(&connection) {
            Some(Protocol::Vectr1) => admit(&inner, RawConnection::Quic(connection)).await,
            None => {
                connection.close(CloseCode::Protocol.into(), b"unknown protocol");
                None
            }
        }
    };
    let work = async {
        let admitted = handshake.await;
        if admitted.is_none() {
            // QUIC keeps a closed connection for some round trips, to repeat why; nobody tells when it is gone.
            tokio::time::sleep(CLOSE_TIMEOUT).await;
        }
        admitted
    };
    let admitted = as_stranger(&inner, place, work, || {});
    if let Some(connection) = admitted.await {
        serve_member(&inner, connection, &streams).await;
    }
}

async fn accept_tcp(
    inner: Arc<EndpointInner>,
    listener: TcpListener,
    connections: Arc<TcpConnections>,
    streams: mpsc::Sender<PeerStream>,
) {
    loop {
        match listener.accept().await {
            Ok((socket, remote)) => {
                let (inner, connections) = (Arc::clone(&inner), Arc::clone(&connections));
                tokio::spawn(serve_tcp(inner, socket, remote, connections, streams.clone()));
            }
            // Most likely out of file descriptors. Wait for some to be released.
            Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
        }
    }
}

async fn serve_tcp(
    inner: Arc<EndpointInner>,
    socket: TcpStream,
    remote: SocketAddr,
    connections: Arc<TcpConnections>,
    streams: mpsc::Sender<PeerStream>,
) {
    let limit = inner.config.connect_timeout;
    let Some(place) = inner.tcp_strangers.enter_within(remote.ip(), limit).await else { return };
    let connected = OnceLock::<TcpSocket>::new();
    let work = async {
        let accepted = tcp::accept(socket, inner.tls.tcp_server(), exported_label(), inner.tcp_params());
        let connection = tokio::time::timeout(inner.config.connect_timeout, accepted).await.ok()?.ok()?;
        let socket = connected.get_or_init(|| connection.socket());
        if !connections.add(&connection) {
            return None;
        }
        let admitted = admit(&inner, RawConnection::Tcp(connection)).await;
        if admitted.is_none() {
            // It takes memory until then.
            let _ = tokio::time::timeout(2 * CLOSE_TIMEOUT, socket.closed()).await;
        }
        admitted
    };
    let evict = || connected.get().map_or((), TcpSocket::cut);
    let admitted = as_stranger(&inner, place, work, evict);
    if let Some(connection) = admitted.await {
        serve_member(&inner, connection, &streams).await;
    }
}

/// Works on a connection for as long as its peer has a place among the strangers. `evict` ends it when the place is lost.
async fn as_stranger(
    inner: &EndpointInner,
    mut place: StrangerPlace,
    work: impl Future<Output = Option<Arc<Connection>>>,
    evict: impl FnOnce(),
) -> Option<Arc<Connection>> {
    let mut work = pin!(work);
    tokio::select! {
        admitted = &mut work => admitted,
        () = place.lost() => {
            // Before dropping the work closes it with a farewell.
            evict();
            None
        }
        () = inner.closed() => None,
    }
}

/// Serves a connection whose peer was admitted, if there is a place for it.
async fn serve_member(
    inner: &EndpointInner,
    connection: Arc<Connection>,
    streams: &mpsc::Sender<PeerStream>,
) {
    match inner.members.enter(&connection).await {
        Some(_place) => serve_connection(inner, connection, streams).await,
        None => connection.raw.close(CloseCode::Busy, b"no more connections"),
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

const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Streams that may wait for `accept`. More wait inside their connections.
const STREAM_QUEUE: usize = 64;
