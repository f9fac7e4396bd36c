pub(crate) mod error;
pub(crate) mod raw;
pub(crate) mod secret_proof;
pub(crate) mod stream;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quinn::ConnectionError;
use rustls::pki_types::UnixTime;
use tokio::sync::Semaphore;
use vectr_delta::Fingerprint;

use crate::connection::error::ErrorContext;
use crate::connection::raw::RawConnection;
use crate::protocol::{CloseCode, WITHOUT_SECRET};
use crate::trust::{Credentials, Proven, Role};
use crate::{Distrust, PeerRights, TransportError, Trust};

/// An established connection whose peer proved who it is, and was trusted when that was last checked.
pub(crate) struct Connection {
    pub(crate) raw: RawConnection,
    pub(crate) peer: Fingerprint,
    /// Room for large messages from the peer, in KiB.
    pub(crate) large_messages: Arc<Semaphore>,
    credentials: Credentials,
    proven: Proven,
    trust: Trust,
    context: ErrorContext,
    streams: AtomicUsize,
    /// Why this side closed the connection, where there is more to say than that it did.
    cause: OnceLock<TransportError>,
    /// Whether it is to end with its last stream.
    retired: AtomicBool,
}

impl Connection {
    /// Reads the peer's certificates off a connection whose handshake is complete, has both sides prove the cluster's
    /// secret where this node has one, and checks that the peer is trusted. A peer that is not gets a close with a code
    /// of its own, and not one byte. No stream is opened or accepted for anyone before.
    ///
    /// This is the check that counts: rustls does not ask its verifier when a session is resumed, and early data of
    /// an untrusted client is waiting in the connection by now.
    pub(crate) async fn admit(
        raw: RawConnection,
        role: Role,
        trust: &Trust,
        context: ErrorContext,
    ) -> Result<Arc<Self>, TransportError> {
        let Some(credentials) = credentials_of(&raw, role) else {
            raw.close(CloseCode::Trust, b"no certificate");
            return Err(context.untrusted(None, Distrust::Unknown));
        };
        let known =
            trust.read(|rules| rules.check_certificate(&credentials, context.remote.ip(), UnixTime::now()));
        let proven = match known {
            Ok(()) => secret_proof::exchange(&raw, trust, &context, &credentials).await,
            Err(because) => Err(context.untrusted(Some(&credentials), because)),
        };
        let proven = proven.inspect_err(|error| refuse(&raw, error))?;
        let connection = Self {
            raw,
            peer: credentials.fingerprint(),
            large_messages: Arc::new(Semaphore::new(LARGE_MESSAGES_KIB)),
            credentials,
            proven,
            trust: trust.clone(),
            context,
            streams: AtomicUsize::new(0),
            cause: OnceLock::new(),
            retired: AtomicBool::new(false),
        };
        connection.check()?;
        Ok(Arc::new(connection))
    }

    /// Checks the peer, at the address that it has now, against the trust of now. Closes the connection where it is
    /// trusted no longer.
    pub(crate) fn check(&self) -> Result<(), TransportError> {
        let (peer, remote) = (&self.credentials, self.remote().ip());
        let verdict = self.trust.read(|rules| rules.check(peer, &self.proven, remote, UnixTime::now()));
        let Err(because) = verdict else { return Ok(()) };
        // It was a member, and may still be one that has another secret or certificate by now: a new connection tells.
        if matches!(because, Distrust::Secret | Distrust::Expired) {
            let cause =
                self.error_context().lost(&format!("{because}: both have to prove anew who they are"));
            self.close(CloseCode::Renewal, b"prove yourself anew", cause.clone());
            return Err(cause);
        }
        let untrusted = self.error_context().untrusted(Some(peer), because);
        self.close(CloseCode::Trust, b"not trusted", untrusted.clone());
        Err(untrusted)
    }

    /// The peer wants to prove a secret, and this node has none: neither side shall take the other for a member.
    pub(crate) fn refuse_proof(&self) {
        let cause = self.error_context().untrusted(Some(&self.credentials), Distrust::Secret);
        self.close(CloseCode::Trust, WITHOUT_SECRET, cause);
    }

    /// What the peer may do, as of whenever it is asked.
    pub(crate) fn rights(&self) -> PeerRights {
        PeerRights::new(self.trust.clone(), self.credentials.clone())
    }

    pub(crate) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Ends the connection as soon as no stream needs it.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.close_if_unused();
    }

    /// Closes the connection; its streams fail with `cause` from here on.
    pub(crate) fn close(&self, code: CloseCode, reason: &[u8], cause: TransportError) {
        let _ = self.cause.set(cause);
        self.raw.close(code, reason);
    }

    /// Checks the peer after every change of trust, and now and then, as long as the connection lives.
    pub(crate) fn watch_trust(self: &Arc<Self>) {
        let connection = Arc::clone(self);
        let mut changes = connection.trust.changes();
        tokio::spawn(async move {
            while connection.check().is_ok() {
                tokio::select! {
                    _ = connection.raw.closed() => return,
                    _ = changes.changed() => {}
                    // Certificates expire without a word.
                    () = tokio::time::sleep(RECHECK_INTERVAL) => {}
                }
            }
        });
    }

    /// Why the connection is over; `None` while it lives.
    pub(crate) fn end(&self) -> Option<TransportError> {
        self.raw.close_reason().map(|error| self.explain(&error))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.streams.load(Ordering::Acquire) == 0
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.raw.remote_address()
    }

    pub(crate) fn error_context(&self) -> ErrorContext {
        ErrorContext { remote: self.remote(), ..self.context }
    }

    pub(crate) fn explain(&self, error: &ConnectionError) -> TransportError {
        match (error, self.cause.get()) {
            (ConnectionError::LocallyClosed, Some(cause)) => cause.clone(),
            _ => self.error_context().explain(error),
        }
    }

    fn close_if_unused(&self) {
        if self.retired.load(Ordering::Acquire) && self.is_idle() {
            self.close(
                CloseCode::Done,
                b"replaced",
                self.error_context().lost("a newer connection has replaced it"),
            );
        }
    }
}

/// Holds a link for one stream, or for somebody about to open one: a link without leases is idle.
pub(crate) struct Lease {
    connection: Arc<Connection>,
}

impl Lease {
    pub(crate) fn new(connection: &Arc<Connection>) -> Self {
        connection.streams.fetch_add(1, Ordering::AcqRel);
        Self { connection: Arc::clone(connection) }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.connection.streams.fetch_sub(1, Ordering::AcqRel);
        self.connection.close_if_unused();
    }
}

fn credentials_of(raw: &RawConnection, role: Role) -> Option<Credentials> {
    Credentials::new(raw.certificates()?, role)
}

/// Tells the peer as much as it needs to know whose configuration to look at.
fn refuse(raw: &RawConnection, error: &TransportError) {
    let reason = match error {
        TransportError::Untrusted { because: Distrust::Secret, .. } => WITHOUT_SECRET,
        TransportError::Untrusted { .. } => b"not trusted",
        _ => return,
    };
    raw.close(CloseCode::Trust, reason);
}

/// Three messages of the greatest size.
const LARGE_MESSAGES_KIB: usize = 3 * 64 * 1024;
/// How long after its certificate has expired a connection may live.
const RECHECK_INTERVAL: Duration = Duration::from_secs(60);
