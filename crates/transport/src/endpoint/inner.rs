use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use tokio::sync::watch;
use vectr_delta::Fingerprint;

use crate::address::Address;
use crate::connection::error::ErrorContext;
use crate::connection::{Connection, Lease};
use crate::endpoint::admission::{Members, Strangers};
use crate::endpoint::fallback_cache::FallbackCache;
use crate::endpoint::pool::Pool;
use crate::endpoint::socket_faults::SocketFaults;
use crate::endpoint::sockets::ListenerSockets;
use crate::endpoint::tcp_connections::TcpConnections;
use crate::limits::{QUIC_STRANGERS, TCP_STRANGERS};
use crate::messages::Inbox;
use crate::protocol::CloseCode;
use crate::tcp::{TcpConnection, TcpParams};
use crate::tls::Tls;
use crate::tls::cert_resolver::CertResolver;
use crate::{EndpointConfig, Identity, TransportError, Trust};

/// State shared by an endpoint, its listeners and its connection attempts.
pub(crate) struct EndpointInner {
    pub(crate) trust: Trust,
    pub(crate) config: EndpointConfig,
    pub(crate) tls: Tls,
    pub(crate) pool: Pool,
    pub(crate) fallback_cache: FallbackCache,
    /// TCP connections that this endpoint made.
    pub(crate) tcp: TcpConnections,
    /// Accepted connections whose peers were admitted.
    pub(crate) members: Arc<Members>,
    /// Connections over QUIC, and over TCP, whose peers are still to be admitted.
    pub(crate) quic_strangers: Arc<Strangers>,
    pub(crate) tcp_strangers: Arc<Strangers>,
    /// Receives incoming messages, once there is a messenger.
    pub(crate) inbox: OnceLock<Arc<Inbox>>,
    /// Accepted connections, by the peer's address when it connected.
    accepted: Mutex<HashMap<String, Weak<Connection>>>,
    /// Connections ever accepted, and how many of them have ended.
    accepted_count: AtomicU64,
    ended_count: AtomicU64,
    open: Mutex<Option<OpenSockets>>,
    /// Calls that are binding a listener.
    binding: watch::Sender<usize>,
    closed: watch::Sender<bool>,
    /// Sockets that failed.
    pub(crate) socket_faults: SocketFaults,
}

/// Counts of the connections that an endpoint's listeners accepted from trusted peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AcceptedStatistics {
    /// Live connections.
    pub live: u64,
    /// Connections ever accepted.
    pub accepted: u64,
    /// Accepted connections that have ended, for any reason.
    pub closed: u64,
}

/// The sockets of an open endpoint.
#[derive(Default)]
struct OpenSockets {
    ipv4: Option<ClientSocket>,
    ipv6: Option<ClientSocket>,
    listeners: Vec<Arc<ListenerSockets>>,
    /// Client sockets bound so far.
    bound: u64,
}

/// A socket for connecting, with a number of its own.
#[derive(Clone)]
pub(crate) struct ClientSocket {
    pub(crate) endpoint: quinn::Endpoint,
    number: u64,
}

/// Has [`EndpointInner::bound`] wait until it is dropped.
pub(crate) struct Binding<'e>(&'e EndpointInner);

impl Drop for Binding<'_> {
    fn drop(&mut self) {
        self.0.binding.send_modify(|calls| *calls -= 1);
    }
}

/// What is left to close.
pub(crate) struct Shutdown {
    pub(crate) sockets: Vec<quinn::Endpoint>,
    pub(crate) listeners: Vec<Arc<ListenerSockets>>,
    pub(crate) tcp: Vec<TcpConnection>,
}

impl EndpointInner {
    pub(crate) fn new(
        identity: &Identity,
        trust: &Trust,
        config: EndpointConfig,
    ) -> Result<Self, TransportError> {
        config.validate()?;
        Ok(Self {
            tls: Tls::new(CertResolver::new(identity.clone()), trust, &config)?,
            pool: Pool::new(config.max_connections),
            fallback_cache: FallbackCache::default(),
            tcp: TcpConnections::default(),
            members: Members::new(config.max_connections),
            quic_strangers: Strangers::new(QUIC_STRANGERS),
            tcp_strangers: Strangers::new(TCP_STRANGERS),
            inbox: OnceLock::new(),
            accepted: Mutex::default(),
            accepted_count: AtomicU64::new(0),
            ended_count: AtomicU64::new(0),
            open: Mutex::new(Some(OpenSockets::default())),
            binding: watch::Sender::new(0),
            closed: watch::Sender::new(false),
            socket_faults: SocketFaults::default(),
            trust: trust.clone(),
            config,
        })
    }

    /// The fingerprint of the certificate that this node currently presents.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.tls.cert_resolver.identity().fingerprint()
    }

    /// The context for errors of a connection with a peer.
    pub(crate) fn error_context(&self, remote: SocketAddr) -> ErrorContext {
        ErrorContext { ours: self.fingerprint(), remote, idle_timeout: self.config.idle_timeout }
    }

    /// The parameters of connections over TCP.
    pub(crate) fn tcp_params(&self) -> TcpParams {
        TcpParams {
            idle_timeout: self.config.idle_timeout,
            max_streams: self.config.max_concurrent_streams,
            proof: self.trust.read(|rules| !rules.secrets.is_empty()),
        }
    }

    /// The client socket for an address of this family, bound on first use.
    pub(crate) fn client(&self, remote: SocketAddr) -> Result<ClientSocket, TransportError> {
        let mut open = self.open();
        let open = open.as_mut().ok_or(TransportError::endpoint_closed())?;
        let (socket, any): (_, SocketAddr) = match remote {
            SocketAddr::V4(_) => (&mut open.ipv4, (Ipv4Addr::UNSPECIFIED, 0).into()),
            SocketAddr::V6(_) => (&mut open.ipv6, (Ipv6Addr::UNSPECIFIED, 0).into()),
        };
        if let Some(socket) = socket {
            return Ok(socket.clone());
        }
        let (endpoint, _) = self.tls.bind(any, false).map_err(|error| TransportError::Unreachable {
            address: remote.to_string(),
            reason: format!("cannot open a socket on this machine: {error}"),
        })?;
        open.bound += 1;
        Ok(socket.insert(ClientSocket { endpoint, number: open.bound }).clone())
    }

    /// Binds the client socket anew, which has failed. Another call may have done so before.
    pub(crate) fn replace_client(
        &self,
        remote: SocketAddr,
        failed: &ClientSocket,
    ) -> Result<ClientSocket, TransportError> {
        if let Some(open) = self.open().as_mut() {
            let socket = if remote.is_ipv4() { &mut open.ipv4 } else { &mut open.ipv6 };
            if socket.take_if(|socket| socket.number == failed.number).is_some() {
                drop(self.socket_faults.begin("the UDP socket for connecting failed".to_owned()));
            }
        }
        self.client(remote)
    }

    /// Registers a call that binds a listener. Closing waits for it.
    pub(crate) fn begin_binding(&self) -> Result<Binding<'_>, TransportError> {
        // Closing takes the same lock first: it sees every call that was not refused.
        let open = self.open();
        if open.is_none() {
            return Err(TransportError::endpoint_closed());
        }
        self.binding.send_modify(|calls| *calls += 1);
        drop(open);
        Ok(Binding(self))
    }

    /// Waits until no call binds a listener.
    pub(crate) async fn bound(&self) {
        // Never an error: the sender is a field of `self`.
        let _ = self.binding.subscribe().wait_for(|calls| *calls == 0).await;
    }

    /// Registers a listener, which [`EndpointInner::shut_down`] will return.
    pub(crate) fn add_listener(&self, listener: &Arc<ListenerSockets>) -> Result<(), TransportError> {
        let mut open = self.open();
        let open = open.as_mut().ok_or(TransportError::endpoint_closed())?;
        open.listeners.retain(|listener| !(listener.is_closed() && listener.is_released()));
        open.listeners.push(Arc::clone(listener));
        Ok(())
    }

    /// Refuses all further work. Returns what has to be closed, to the first caller only.
    pub(crate) fn shut_down(&self) -> Option<Shutdown> {
        let open = self.open().take()?;
        self.closed.send_replace(true);
        Some(Shutdown {
            sockets: open.ipv4.into_iter().chain(open.ipv6).map(|socket| socket.endpoint).collect(),
            listeners: open.listeners,
            tcp: self.tcp.close(),
        })
    }

    /// Registers an accepted connection, so that messages can be sent over it. Returns the peer's address.
    pub(crate) fn add_accepted(&self, connection: &Arc<Connection>) -> String {
        let remote = connection.remote();
        let origin = SocketAddr::new(remote.ip().to_canonical(), remote.port()).to_string();
        self.accepted_count.fetch_add(1, Ordering::Relaxed);
        self.accepted().insert(origin.clone(), Arc::downgrade(connection));
        origin
    }

    /// Reverts [`EndpointInner::add_accepted`], unless another connection has taken the address since.
    pub(crate) fn remove_accepted(&self, origin: &str, connection: &Arc<Connection>) {
        self.ended_count.fetch_add(1, Ordering::Relaxed);
        let mut accepted = self.accepted();
        if accepted.get(origin).is_some_and(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(connection))) {
            accepted.remove(origin);
        }
    }

    pub(crate) fn accepted_statistics(&self) -> AcceptedStatistics {
        // Read in this order, `closed` never exceeds `accepted`.
        let closed = self.ended_count.load(Ordering::Relaxed);
        let accepted = self.accepted_count.load(Ordering::Relaxed);
        AcceptedStatistics { live: accepted.saturating_sub(closed), accepted, closed }
    }

    /// Leases the live connection accepted from an address.
    pub(crate) fn accepted_from(&self, address: &Address) -> Option<Lease> {
        let connection = self.accepted().get(&address.to_string())?.upgrade()?;
        connection.end().is_none().then(|| Lease::new(&connection))
    }

    pub(crate) fn ensure_open(&self) -> Result<(), TransportError> {
        if *self.closed.borrow() { Err(TransportError::endpoint_closed()) } else { Ok(()) }
    }

    /// Waits until the endpoint is closed.
    pub(crate) async fn closed(&self) {
        // Never an error: the sender is a field of `self`.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Connects from this socket.
    #[cfg(test)]
    pub(crate) fn use_client(&self, endpoint: quinn::Endpoint) {
        self.open().as_mut().expect("it is open").ipv4 = Some(ClientSocket { endpoint, number: 0 });
    }

    fn accepted(&self) -> MutexGuard<'_, HashMap<String, Weak<Connection>>> {
        self.accepted.lock().expect("nothing panics while it holds the accepted connections")
    }

    fn open(&self) -> MutexGuard<'_, Option<OpenSockets>> {
        self.open.lock().expect("nothing panics while it holds the sockets")
    }
}

impl Drop for EndpointInner {
    fn drop(&mut self) {
        let Some(shutdown) = self.shut_down() else { return };
        for socket in shutdown.sockets {
            socket.close(CloseCode::Done.into(), b"dropped");
        }
        for listener in shutdown.listeners {
            listener.shut_down();
        }
    }
}
