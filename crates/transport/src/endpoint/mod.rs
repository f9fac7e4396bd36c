pub(crate) mod dial;
pub(crate) mod fallback_cache;
pub(crate) mod inner;
pub(crate) mod listener;
pub(crate) mod ping;
pub(crate) mod pool;
pub(crate) mod sockets;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use vectr_delta::Fingerprint;

use crate::address::Address;
use crate::connection::Lease;
use crate::connection::stream::PeerStream;
use crate::endpoint::dial::{Dialed, dial};
use crate::endpoint::inner::{AcceptedStatistics, EndpointInner};
use crate::endpoint::listener::{Listener, serve_dialed};
use crate::endpoint::pool::{Lookup, Outcome, OutcomeSender, PoolStatistics};
use crate::protocol::{CloseCode, StreamKind};
use crate::tls::tickets::Tickets;
use crate::{EndpointConfig, Identity, PeerRights, TlsConfig, TransportError, Trust};

/// One node on the network: opens streams to peers and listens for theirs. Clones are the same endpoint.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) inner: Arc<EndpointInner>,
}

impl Endpoint {
    /// Makes an endpoint, which binds no socket yet. Its futures run inside a tokio runtime.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a value of `config` that is out of range.
    pub fn new(identity: &Identity, trust: &Trust, config: EndpointConfig) -> Result<Self, TransportError> {
        Ok(Self { inner: Arc::new(EndpointInner::new(identity, trust, config)?) })
    }

    /// As [`Endpoint::new`], with the identity and trust of a configuration; without a certificate in it, with an
    /// identity that is kept nowhere. Blocks on files, and tens of milliseconds for each secret.
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

    /// Replaces whom this node trusts, and reads all files anew. Each open connection is checked against it at once, and
    /// later streams get new ones, on which both prove who they are by what is configured now. A certificate that is
    /// given is shown from now on; where none is given the last one stays. Blocks as [`Endpoint::configured`] does.
    ///
    /// # Errors
    /// As [`TlsConfig::load`]; nothing has changed then.
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
    /// `ERR_ARGUMENT` for a malformed address, `ERR_CONFIG` where it cannot be bound, `ERR_CLOSED`.
    pub async fn listen(&self, address: &str) -> Result<Listener, TransportError> {
        let address = Address::listening(address)?;
        self.inner.ensure_open()?;
        Listener::bind(&self.inner, &address).await
    }

    /// Whether this is the address of one peer: `host:port`, `host` or `[ipv6]:port`.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` says what is wrong with it.
    pub fn check_address(&self, address: &str) -> Result<(), TransportError> {
        Address::peer(address).map(drop)
    }

    /// The peer expected at an address: that of the live connection, else of a session that can be resumed. What is
    /// written for it can be given to [`Endpoint::open`].
    #[must_use]
    pub fn known_peer(&self, address: &str) -> Option<Fingerprint> {
        self.inner.pool.known_peer(&Address::peer(address).ok()?).map(|peer| peer.fingerprint())
    }

    /// What the peer that is expected at an address may do, if one is.
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

    /// Makes sure of a live connection to whoever is at an address: takes the pooled one, joins the attempt that is
    /// under way, or connects. Returns who is there, authenticated and trusted as of now.
    ///
    /// # Errors
    /// As for [`Endpoint::open`], without those of a stream.
    pub async fn connect(&self, address: &str) -> Result<Fingerprint, TransportError> {
        let address = Address::peer(address)?;
        self.inner.ensure_open()?;
        tokio::select! {
            connected = self.connect_to(&address) => connected,
            () = self.inner.closed() => Err(TransportError::endpoint_closed()),
        }
    }

    /// Opens a stream to whoever is at an address, over the pooled connection or a new one. It resolves once the
    /// handshake is complete and the peer is trusted as of now.
    ///
    /// `opening` is written first, if the peer turns out to be the expected one; it may travel as 0-RTT data, so that
    /// an eavesdropper can repeat it, and it may be sent twice. `opening_sent` says whether it went out. Whether the
    /// *peer* trusts this node may show only when the stream is read or written.
    ///
    /// # Errors
    /// `ERR_TRUST`, `ERR_PEER_UNREACHABLE`, `ERR_BUSY` where the peer allows no more streams for as long as a
    /// connection attempt may take, `ERR_LIMIT` where the pool is full of busy connections, `ERR_ARGUMENT`,
    /// `ERR_PROTOCOL`, `ERR_CLOSED`.
    pub async fn open(
        &self,
        address: &str,
        opening: Option<(Fingerprint, Bytes)>,
    ) -> Result<PeerStream, TransportError> {
        self.open_kind(address, StreamKind::Session, opening).await
    }

    /// A real round trip to whoever is at an address, connecting first where that is needed; its time alone.
    ///
    /// # Errors
    /// As for [`Endpoint::open`]; `ERR_TIMEOUT` where a connected peer does not answer.
    pub async fn ping(&self, address: &str) -> Result<Duration, TransportError> {
        let stream = self.open_kind(address, StreamKind::Ping, None).await?;
        ping::measure(stream, self.inner.config.connect_timeout).await
    }

    /// The connections that this endpoint made.
    #[must_use]
    pub fn statistics(&self) -> PoolStatistics {
        self.inner.pool.statistics()
    }

    /// The connections that this endpoint's listeners accepted.
    #[must_use]
    pub fn accepted(&self) -> AcceptedStatistics {
        self.inner.accepted_statistics()
    }

    /// The fingerprint of the certificate that this node shows.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.inner.fingerprint()
    }

    /// Whom this node trusts. What is changed here counts at once.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.inner.trust
    }

    /// Closes all connections and listeners, and tells the peers. Every later call gives `ERR_CLOSED`; closing again
    /// does nothing.
    pub async fn close(&self) {
        let Some(shutdown) = self.inner.shut_down() else { return };
        for socket in &shutdown.sockets {
            socket.close(CloseCode::Done.into(), b"closed");
        }
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

    pub(crate) async fn open_kind(
        &self,
        address: &str,
        kind: StreamKind,
        opening: Option<(Fingerprint, Bytes)>,
    ) -> Result<PeerStream, TransportError> {
        let address = Address::peer(address)?;
        self.inner.ensure_open()?;
        tokio::select! {
            opened = self.open_at(&address, kind, opening) => opened,
            () = self.inner.closed() => Err(TransportError::endpoint_closed()),
        }
    }

    async fn open_at(
        &self,
        address: &Address,
        kind: StreamKind,
        opening: Option<(Fingerprint, Bytes)>,
    ) -> Result<PeerStream, TransportError> {
        let mut may_be_stale = true;
        if kind == StreamKind::Messages
            && let Some(lease) = self.inner.accepted_from(address)
        {
            return self.open_on(lease, kind, opening).await;
        }
        loop {
            let (lease, pooled) = match self.inner.pool.find(address)? {
                Lookup::Live(lease) => (lease, true),
                Lookup::Connecting(outcome) => (self.wait_for(outcome).await?, false),
                Lookup::Vacant(sender, tickets) => {
                    let early = opening.clone().filter(|_| kind == StreamKind::Session);
                    let dialed = self.dial(address, sender, tickets, early).await?;
                    if let Some(stream) = dialed.early {
                        return Ok(stream);
                    }
                    (self.inner.pool.lease(&dialed.connection)?, false)
                }
            };
            match self.open_on(lease, kind, opening.clone()).await {
                // It died unnoticed since it was last used, and took nothing with it.
                Err(TransportError::Lost { .. } | TransportError::TimedOut { .. })
                    if pooled && may_be_stale =>
                {
                    may_be_stale = false;
                }
                opened => return opened,
            }
        }
    }

    async fn connect_to(&self, address: &Address) -> Result<Fingerprint, TransportError> {
        let connection = match self.inner.pool.find(address)? {
            Lookup::Live(lease) => Arc::clone(lease.connection()),
            Lookup::Connecting(outcome) => Arc::clone(self.wait_for(outcome).await?.connection()),
            Lookup::Vacant(sender, tickets) => self.dial(address, sender, tickets, None).await?.connection,
        };
        connection.check()?;
        Ok(connection.peer)
    }

    async fn open_on(
        &self,
        lease: Lease,
        kind: StreamKind,
        opening: Option<(Fingerprint, Bytes)>,
    ) -> Result<PeerStream, TransportError> {
        let remote = lease.connection().remote();
        let opened = PeerStream::open(lease, kind, opening);
        let busy = TransportError::Busy { remote, reason: "it allows no more streams at a time" };
        tokio::time::timeout(self.inner.config.connect_timeout, opened).await.unwrap_or(Err(busy))
    }

    async fn wait_for(&self, mut outcome: Outcome) -> Result<Lease, TransportError> {
        let connection = match outcome.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().expect("an outcome that is there was waited for")?,
            Err(_) => return Err(TransportError::endpoint_closed()),
        };
        self.inner.pool.lease(&connection)
    }

    /// Dials in a task of its own: others wait for the same attempt, so that it outlives a caller who gives up.
    async fn dial(
        &self,
        address: &Address,
        sender: OutcomeSender,
        tickets: Arc<Tickets>,
        opening: Option<(Fingerprint, Bytes)>,
    ) -> Result<Dialed, TransportError> {
        let (hand_over, handed) = oneshot::channel();
        let (inner, address) = (Arc::clone(&self.inner), address.clone());
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
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("fingerprint", &self.inner.fingerprint()).finish_non_exhaustive()
    }
}

/// How long closing waits for peers to take notice. They are told once in any case.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
