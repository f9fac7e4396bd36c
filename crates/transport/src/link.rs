use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quinn::ConnectionError;
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use vectr_delta::Fingerprint;

use crate::connection_error::Ends;
use crate::identity::sha256;
use crate::protocol::CloseCode;
use crate::{TransportError, Trust};

/// An established connection whose peer proved who it is, and was trusted when that was last checked.
pub(crate) struct Link {
    pub(crate) connection: quinn::Connection,
    pub(crate) peer: Fingerprint,
    /// Room for large messages from the peer, in KiB.
    pub(crate) room: Arc<Semaphore>,
    trust: Trust,
    ends: Ends,
    streams: AtomicUsize,
    /// Why this side closed the connection, where there is more to say than that it did.
    cause: OnceLock<TransportError>,
}

impl Link {
    /// Reads the peer's identity off a connection whose handshake is complete, and checks that it is trusted. A peer
    /// that is not gets a close with a code of its own, and not one byte.
    ///
    /// This is the check that counts: rustls does not ask its verifier when a session is resumed, and early data of
    /// an untrusted client is waiting in the connection by now.
    pub(crate) fn authenticate(
        connection: quinn::Connection,
        trust: &Trust,
        ours: Fingerprint,
        idle_timeout: Duration,
    ) -> Result<Arc<Self>, TransportError> {
        let remote = connection.remote_address();
        let Some(peer) = identity_of(&connection) else {
            connection.close(CloseCode::Trust.into(), b"no certificate");
            return Err(TransportError::Untrusted { peer: None, remote: remote.ip(), ours: Some(ours) });
        };
        let ends = Ends { ours, remote, idle_timeout };
        let link = Self {
            connection,
            peer,
            room: Arc::new(Semaphore::new(LARGE_MESSAGES_KIB)),
            trust: trust.clone(),
            ends,
            streams: AtomicUsize::new(0),
            cause: OnceLock::new(),
        };
        link.check()?;
        Ok(Arc::new(link))
    }

    /// Checks the peer, at the address that it has now, against the trust of now. Closes the connection where it is
    /// trusted no longer.
    pub(crate) fn check(&self) -> Result<(), TransportError> {
        let verdict = self.trust.check(&self.peer, self.remote().ip());
        if let Err(untrusted) = &verdict {
            self.close(CloseCode::Trust, b"not trusted", untrusted.clone());
        }
        verdict
    }

    /// Closes the connection; its streams fail with `cause` from here on.
    pub(crate) fn close(&self, code: CloseCode, reason: &[u8], cause: TransportError) {
        let _ = self.cause.set(cause);
        self.connection.close(code.into(), reason);
    }

    /// Checks the peer after every change of trust, as long as the connection lives.
    pub(crate) fn watch(self: &Arc<Self>) {
        let link = Arc::clone(self);
        let mut changes = link.trust.changes();
        tokio::spawn(async move {
            while link.check().is_ok() {
                tokio::select! {
                    _ = link.connection.closed() => return,
                    _ = changes.changed() => {}
                }
            }
        });
    }

    /// Why the connection is over; `None` while it lives.
    pub(crate) fn end(&self) -> Option<TransportError> {
        self.connection.close_reason().map(|error| self.explain(&error))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.streams.load(Ordering::Acquire) == 0
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    pub(crate) fn ends(&self) -> Ends {
        Ends { remote: self.remote(), ..self.ends }
    }

    pub(crate) fn explain(&self, error: &ConnectionError) -> TransportError {
        match (error, self.cause.get()) {
            (ConnectionError::LocallyClosed, Some(cause)) => cause.clone(),
            _ => self.ends().explain(error),
        }
    }
}

/// Holds a link for one stream, or for somebody about to open one: a link without leases is idle.
pub(crate) struct Lease {
    link: Arc<Link>,
}

impl Lease {
    pub(crate) fn new(link: &Arc<Link>) -> Self {
        link.streams.fetch_add(1, Ordering::AcqRel);
        Self { link: Arc::clone(link) }
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.link.streams.fetch_sub(1, Ordering::AcqRel);
    }
}

fn identity_of(connection: &quinn::Connection) -> Option<Fingerprint> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    match chain.as_slice() {
        [certificate] => Some(sha256(certificate)),
        _ => None,
    }
}

/// Three messages of the greatest size.
const LARGE_MESSAGES_KIB: usize = 3 * 64 * 1024;
