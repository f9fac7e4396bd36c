use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use tokio::sync::{Semaphore, watch};
use vectr_delta::Fingerprint;

use crate::address::Address;
use crate::connection::error::Ends;
use crate::connection::{Lease, Link};
use crate::endpoint::fallback_cache::{Routes, TcpConnections};
use crate::endpoint::pool::Pool;
use crate::endpoint::sockets::Accepting;
use crate::messages::Inbox;
use crate::protocol::CloseCode;
use crate::tcp::{TcpConnection, Terms};
use crate::tls::Tls;
use crate::tls::cert_resolver::Presented;
use crate::{EndpointConfig, Identity, TransportError, Trust};

/// What the endpoint, its listeners and its connection attempts share.
pub(crate) struct Node {
    pub(crate) trust: Trust,
    pub(crate) config: EndpointConfig,
    pub(crate) tls: Tls,
    pub(crate) pool: Pool,
    pub(crate) routes: Routes,
    /// Those that this node made.
    pub(crate) tcp: TcpConnections,
    /// One permit for each accepted connection.
    pub(crate) places: Arc<Semaphore>,
    /// Where messages go, once somebody takes them.
    pub(crate) inbox: OnceLock<Arc<Inbox>>,
    /// Accepted connections, by the address that the peer had.
    accepted: Mutex<HashMap<String, Weak<Link>>>,
    /// Connections ever accepted, and those of them that ended.
    accepted_count: AtomicU64,
    ended_count: AtomicU64,
    open: Mutex<Option<Open>>,
    closed: watch::Sender<bool>,
}

/// The connections that the listeners of an endpoint accepted, from peers that were trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AcceptedStatistics {
    /// Live ones.
    pub live: u64,
    /// All ever accepted.
    pub accepted: u64,
    /// Those of them that ended, for whatever reason.
    pub closed: u64,
}

/// The sockets of a node that is not closed.
#[derive(Default)]
struct Open {
    ipv4: Option<quinn::Endpoint>,
    ipv6: Option<quinn::Endpoint>,
    listeners: Vec<Weak<Accepting>>,
}

/// What is left to be closed.
pub(crate) struct Remains {
    pub(crate) sockets: Vec<quinn::Endpoint>,
    pub(crate) listeners: Vec<Arc<Accepting>>,
    pub(crate) tcp: Vec<TcpConnection>,
}

impl Node {
    pub(crate) fn new(
        identity: &Identity,
        trust: &Trust,
        config: EndpointConfig,
    ) -> Result<Self, TransportError> {
        config.validate()?;
        Ok(Self {
            tls: Tls::new(Presented::new(identity.clone()), trust, &config)?,
            pool: Pool::new(config.max_connections),
            routes: Routes::default(),
            tcp: TcpConnections::default(),
            places: Arc::new(Semaphore::new(config.max_connections)),
            inbox: OnceLock::new(),
            accepted: Mutex::default(),
            accepted_count: AtomicU64::new(0),
            ended_count: AtomicU64::new(0),
            open: Mutex::new(Some(Open::default())),
            closed: watch::Sender::new(false),
            trust: trust.clone(),
            config,
        })
    }

    /// The fingerprint of the certificate that this node shows now.
    pub(crate) fn ours(&self) -> Fingerprint {
        self.tls.presented.identity().fingerprint()
    }

    /// The ends of a connection with a peer.
    pub(crate) fn ends(&self, remote: SocketAddr) -> Ends {
        Ends { ours: self.ours(), remote, idle_timeout: self.config.idle_timeout }
    }

    /// What is agreed on over TCP.
    pub(crate) fn terms(&self) -> Terms {
        Terms { idle_timeout: self.config.idle_timeout, max_streams: self.config.max_concurrent_streams }
    }

    /// The client socket for an address of this family, bound on first use.
    pub(crate) fn client(&self, remote: SocketAddr) -> Result<quinn::Endpoint, TransportError> {
        let mut open = self.open();
        let open = open.as_mut().ok_or(TransportError::endpoint_closed())?;
        let (socket, any): (_, SocketAddr) = match remote {
            SocketAddr::V4(_) => (&mut open.ipv4, (Ipv4Addr::UNSPECIFIED, 0).into()),
            SocketAddr::V6(_) => (&mut open.ipv6, (Ipv6Addr::UNSPECIFIED, 0).into()),
        };
        if let Some(endpoint) = socket {
            return Ok(endpoint.clone());
        }
        let bound = self.tls.bind(any, false).map_err(|error| TransportError::Unreachable {
            address: remote.to_string(),
            reason: format!("this machine gives no socket for it: {error}"),
        })?;
        Ok(socket.insert(bound.0).clone())
    }

    /// Counts a new listener among those that [`Node::shut`] returns.
    pub(crate) fn adopt(&self, listener: &Arc<Accepting>) -> Result<(), TransportError> {
        let mut open = self.open();
        let open = open.as_mut().ok_or(TransportError::endpoint_closed())?;
        open.listeners.retain(|listener| listener.strong_count() > 0);
        open.listeners.push(Arc::downgrade(listener));
        Ok(())
    }

    /// Refuses all further work; what is to be closed comes back to the first caller only.
    pub(crate) fn shut(&self) -> Option<Remains> {
        let open = self.open().take()?;
        self.closed.send_replace(true);
        Some(Remains {
            sockets: open.ipv4.into_iter().chain(open.ipv6).collect(),
            listeners: open.listeners.iter().filter_map(Weak::upgrade).collect(),
            tcp: self.tcp.close(),
        })
    }

    /// Counts an accepted connection among those that can be sent to, and returns its address.
    pub(crate) fn remember(&self, link: &Arc<Link>) -> String {
        let remote = link.remote();
        let origin = SocketAddr::new(remote.ip().to_canonical(), remote.port()).to_string();
        self.accepted_count.fetch_add(1, Ordering::Relaxed);
        self.accepted().insert(origin.clone(), Arc::downgrade(link));
        origin
    }

    /// The opposite of [`Node::remember`], unless another connection has the address by now.
    pub(crate) fn forget(&self, origin: &str, link: &Arc<Link>) {
        self.ended_count.fetch_add(1, Ordering::Relaxed);
        let mut accepted = self.accepted();
        if accepted.get(origin).is_some_and(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(link))) {
            accepted.remove(origin);
        }
    }

    pub(crate) fn accepted_statistics(&self) -> AcceptedStatistics {
        // In this order: none ends that was not counted.
        let closed = self.ended_count.load(Ordering::Relaxed);
        let accepted = self.accepted_count.load(Ordering::Relaxed);
        AcceptedStatistics { live: accepted.saturating_sub(closed), accepted, closed }
    }

    /// The live connection that was accepted from an address.
    pub(crate) fn accepted_from(&self, address: &Address) -> Option<Lease> {
        let link = self.accepted().get(&address.to_string())?.upgrade()?;
        link.end().is_none().then(|| Lease::new(&link))
    }

    pub(crate) fn ensure_open(&self) -> Result<(), TransportError> {
        if *self.closed.borrow() { Err(TransportError::endpoint_closed()) } else { Ok(()) }
    }

    /// Waits until the node is closed.
    pub(crate) async fn closed(&self) {
        // The sender is a field of this node.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    fn accepted(&self) -> MutexGuard<'_, HashMap<String, Weak<Link>>> {
        self.accepted.lock().expect("nothing panics while it holds the accepted connections")
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().expect("nothing panics while it holds the sockets")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for socket in self.shut().into_iter().flat_map(|remains| remains.sockets) {
            socket.close(CloseCode::Done.into(), b"dropped");
        }
    }
}
