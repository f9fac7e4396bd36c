pub(crate) mod admission;
pub(crate) mod dial;
pub(crate) mod fallback_cache;
pub(crate) mod inner;
pub(crate) mod listener;
pub(crate) mod open;
pub(crate) mod ping;
pub(crate) mod pool;
pub(crate) mod silence;
pub(crate) mod socket_faults;
pub(crate) mod sockets;
pub(crate) mod stream_router;
pub(crate) mod tcp_connections;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vectr_delta::Fingerprint;

use crate::address::Address;
use crate::connection::Connection;
use crate::connection::stream::PeerStream;
use crate::endpoint::inner::{AcceptedStatistics, EndpointInner};
use crate::endpoint::listener::Listener;
use crate::endpoint::pool::PoolStatistics;
use crate::endpoint::socket_faults::SocketFaultStatistics;
use crate::limits::CLOSE_TIMEOUT;
use crate::protocol::{CloseCode, StreamKind};
use crate::{EndpointConfig, Identity, PeerRights, TlsConfig, TransportError, Trust};

/// A node on the network. Opens streams to peers and listens for theirs. Clones share one endpoint.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) inner: Arc<EndpointInner>,
}

impl Endpoint {
    /// Creates an endpoint, which binds no socket yet. Its futures have to run inside a tokio runtime.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` if a value of `config` is out of range.
    pub fn new(identity: &Identity, trust: &Trust, config: EndpointConfig) -> Result<Self, TransportError> {
        Ok(Self { inner: Arc::new(EndpointInner::new(identity, trust, config)?) })
    }

    /// As [`Endpoint::new`], with the identity and trust from a configuration. Without a certificate in it, the
    /// identity is a temporary one. Blocks on file access, and for tens of milliseconds per secret.
    ///
    /// # Errors
    /// As [`TlsConfig::load`] and [`Endpoint::new`].
    pub fn configured(tls: &TlsConfig, config: EndpointConfig) -> Result<Self, TransportError> {
        let (rules, given) = tls.load()?;
        let trust = Trust::this_machine();
        trust.set(rules);
        let identity = given.map_or_else(Identity::ephemeral, Ok)?;
        Self::new(&identity, &trust, config)
    }

    /// Replaces the trust configuration and reads all files again. Open connections are checked against it at once.
    /// Later streams use new connections, on which both sides authenticate under the new configuration. A certificate
    /// in it is presented from now on; without one the current certificate stays. Blocks as [`Endpoint::configured`]
    /// does.
    ///
    /// # Errors
    /// As [`TlsConfig::load`]; nothing changes in that case.
    pub fn set_trust(&self, tls: &TlsConfig) -> Result<(), TransportError> {
        let (rules, identity) = tls.load()?;
        identity.into_iter().for_each(|identity| self.inner.tls.cert_resolver.replace(identity));
        self.inner.trust.set(rules);
        self.inner.pool.renew();
        Ok(())
    }

    /// Accepts streams on `host:port`, `host` (port 4433) or `[ipv6]:port`; port 0 means any free one.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a malformed address, `ERR_CONFIG` if it cannot be bound, `ERR_CLOSED`.
    pub async fn listen(&self, address: &str) -> Result<Listener, TransportError> {
        let address = Address::listening(address)?;
        let _binding = self.inner.begin_binding()?;
        Listener::bind(&self.inner, &address).await
    }

    /// Checks that this is the address of a peer: `host:port`, `host` or `[ipv6]:port`.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` says what is wrong with it.
    pub fn check_address(&self, address: &str) -> Result<(), TransportError> {
        Address::peer(address).map(drop)
    }

    /// The peer expected at an address: the one of the live connection, or else of a resumable session. An opening for
    /// it can be passed to [`Endpoint::open`].
    #[must_use]
    pub fn known_peer(&self, address: &str) -> Option<Fingerprint> {
        self.inner.pool.known_peer(&Address::peer(address).ok()?).map(|peer| peer.fingerprint())
    }

    /// The rights of the peer expected at an address, if there is one.
    #[must_use]
    pub fn known_rights(&self, address: &str) -> Option<PeerRights> {
        let peer = self.inner.pool.known_peer(&Address::peer(address).ok()?)?;
        Some(PeerRights::new(self.inner.trust.clone(), peer))
    }

    /// Whether there is a live connection to an address.
    #[must_use]
    pub fn is_connected(&self, address: &str) -> bool {
        Address::peer(address).is_ok_and(|address| self.inner.pool.is_connected(&address))
    }

    /// Ensures a live connection to an address: uses the pooled one, joins the attempt in progress, or connects.
    /// Returns the peer, authenticated and trusted under the current rules.
    ///
    /// # Errors
    /// As [`Endpoint::open`], without the errors of a stream.
    pub async fn connect(&self, address: &str) -> Result<Fingerprint, TransportError> {
        let address = Address::peer(address)?;
        self.inner.ensure_open()?;
        tokio::select! {
            connected = open::connect(&self.inner, &address) => connected,
            () = self.inner.closed() => Err(TransportError::endpoint_closed()),
        }
    }

    /// Opens a stream to an address over the pooled connection or a new one. Resolves once the handshake is complete
    /// and the peer is trusted under the current rules.
    ///
    /// `opening` is written first if the peer is the expected one. It may be sent as 0-RTT data, so an eavesdropper can
    /// replay it, and it may be sent twice. `opening_sent` says whether it was sent. Whether the *peer* trusts this
    /// node may become known only when the stream is read or written.
    ///
    /// # Errors
    /// `ERR_TRUST`, `ERR_PEER_UNREACHABLE`, `ERR_BUSY` if the peer allows no more streams within the connect timeout,
    /// `ERR_LIMIT` if all connections of the pool are busy, `ERR_ARGUMENT`, `ERR_PROTOCOL`, `ERR_CLOSED`.
    pub async fn open(
        &self,
        address: &str,
        opening: Option<(Fingerprint, Bytes)>,
    ) -> Result<PeerStream, TransportError> {
        self.open_kind(address, StreamKind::Session, opening).await
    }

    /// Measures a round trip to an address. Connects first if needed, which is not measured.
    ///
    /// # Errors
    /// As [`Endpoint::open`]; `ERR_TIMEOUT` if a connected peer does not answer.
    pub async fn ping(&self, address: &str) -> Result<Duration, TransportError> {
        let stream = self.open_kind(address, StreamKind::Ping, None).await?;
        ping::measure(stream, self.inner.config.connect_timeout).await
    }

    /// Counts of the connections that this endpoint made.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        self.inner.pool.statistics()
    }

    /// Sockets that failed, and whether one is not bound anew yet.
    #[must_use]
    pub fn socket_faults(&self) -> SocketFaultStatistics {
        self.inner.socket_faults.statistics()
    }

    /// Counts of the connections that this endpoint's listeners accepted.
    #[must_use]
    pub fn accepted(&self) -> AcceptedStatistics {
        self.inner.accepted_statistics()
    }

    /// The fingerprint of the certificate that this node presents.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.inner.fingerprint()
    }

    /// The peers that this node trusts. Changes take effect at once.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.inner.trust
    }

    /// Closes all connections and listeners, and notifies the peers. Every later call fails with `ERR_CLOSED`; closing
    /// again does nothing.
    pub async fn close(&self) {
        let Some(shutdown) = self.inner.shut_down() else { return };
        for socket in &shutdown.sockets {
            socket.close(CloseCode::Done.into(), b"closed");
        }
        // Each is told of the close. One that nobody polls any more is not waited for.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.inner.bound()).await;
        for listener in &shutdown.listeners {
            listener.close().await;
        }
        for socket in &shutdown.sockets {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, socket.wait_idle()).await;
        }
        for connection in &shutdown.tcp {
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.socket_closed()).await;
        }
    }

    /// Has a peer noticed that was restarted, if nothing comes back over the connection to it.
    pub(crate) fn watch(&self, address: &str, connection: &Arc<Connection>) {
        if let Ok(address) = Address::peer(address) {
            silence::watch(&self.inner, &address, connection);
        }
    }

    pub(crate) async fn open_kind(
        &self,
        address: &str,
        kind: StreamKind,
        opening: Option<(Fingerprint, Bytes)>,
    ) -> Result<PeerStream, TransportError> {
        let address = Address::peer(address)?;
        self.inner.ensure_open()?;
        tokio::select! {
            opened = open::open(&self.inner, &address, kind, opening) => opened,
            () = self.inner.closed() => Err(TransportError::endpoint_closed()),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("fingerprint", &self.inner.fingerprint()).finish_non_exhaustive()
    }
}
