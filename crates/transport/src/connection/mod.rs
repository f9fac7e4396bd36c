pub(crate) mod allowance;
pub(crate) mod error;
pub(crate) mod raw;
pub(crate) mod secret_proof;
pub(crate) mod stream;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use quinn::ConnectionError;
use rustls::pki_types::UnixTime;
use tokio::sync::Semaphore;
use vectr_delta::Fingerprint;

use crate::connection::allowance::StreamAllowances;
use crate::connection::error::ErrorContext;
use crate::connection::raw::RawConnection;
use crate::limits::{CONNECTION_WINDOW, LENT_WINDOWS, STREAM_WINDOW};
use crate::protocol::{CloseCode, WITHOUT_SECRET};
use crate::trust::{Credentials, Proven, Role};
use crate::{Distrust, PeerRights, TransportError, Trust};

/// An established connection to an authenticated peer that was trusted when last checked.
pub(crate) struct Connection {
    pub(crate) raw: RawConnection,
    pub(crate) peer: Fingerprint,
    /// Limits the memory for large messages from the peer, in KiB.
    pub(crate) large_messages: Arc<Semaphore>,
    /// The weight of the answers to the peer that wait to be written.
    pub(crate) answers: AtomicUsize,
    stalled: Mutex<Stalled>,
    credentials: Credentials,
    proven: Proven,
    trust: Trust,
    context: ErrorContext,
    pub(crate) allowances: StreamAllowances,
    streams: AtomicUsize,
    /// Why this side closed the connection, if there is a specific reason.
    cause: OnceLock<TransportError>,
    /// Whether the connection closes with its last stream.
    retired: AtomicBool,
    /// How often something was sent that a task waits for a sign of life after; 0 if there is no such task.
    watched: AtomicUsize,
}

impl Connection {
    /// Authenticates the peer of a connection after the handshake: reads its certificates, has both sides prove the
    /// cluster's secret if this node has one, and checks that the peer is trusted. An untrusted peer gets a close with
    /// its own code and no other byte. No stream is opened or accepted before this, except for the proof.
    ///
    /// This check is the decisive one: rustls does not ask its verifier when a session is resumed, and the early data
    /// of an untrusted client may already be buffered.
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
            allowances: StreamAllowances::new(raw.clone()),
            raw,
            peer: credentials.fingerprint(),
            large_messages: Arc::new(Semaphore::new(LARGE_MESSAGES_KIB)),
            answers: AtomicUsize::new(0),
            stalled: Mutex::default(),
            credentials,
            proven,
            trust: trust.clone(),
            context,
            streams: AtomicUsize::new(0),
            cause: OnceLock::new(),
            retired: AtomicBool::new(false),
            watched: AtomicUsize::new(0),
        };
        connection.check()?;
        Ok(Arc::new(connection))
    }

    /// Checks the peer, at its current address, against the current trust rules. Closes the connection if the peer is
    /// no longer trusted.
    pub(crate) fn check(&self) -> Result<(), TransportError> {
        let (peer, remote) = (&self.credentials, self.remote().ip());
        let verdict = self.trust.read(|rules| rules.check(peer, &self.proven, remote, UnixTime::now()));
        let Err(because) = verdict else { return Ok(()) };
        // The peer was a member and may still be one, with a new secret or certificate. A new connection will tell.
        if matches!(because, Distrust::Secret | Distrust::Expired) {
            let cause = self.error_context().lost(&format!("{because}: both sides must authenticate again"));
            self.close(CloseCode::Renewal, b"prove yourself anew", cause.clone());
            return Err(cause);
        }
        let untrusted = self.error_context().untrusted(Some(peer), because);
        self.close(CloseCode::Trust, b"not trusted", untrusted.clone());
        Err(untrusted)
    }

    /// Refuses a peer that offers a proof when this node has no secret, so that neither side takes the other for a
    /// member.
    pub(crate) fn refuse_proof(&self) {
        let cause = self.error_context().untrusted(Some(&self.credentials), Distrust::Secret);
        self.close(CloseCode::Trust, WITHOUT_SECRET, cause);
    }

    /// What the peer may do, evaluated at each query.
    pub(crate) fn rights(&self) -> PeerRights {
        PeerRights::new(self.trust.clone(), self.credentials.clone())
    }

    pub(crate) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Gives the peer the window and the number of streams of a member.
    pub(crate) fn lift_restrictions(&self, max_streams: u32) {
        self.allowances.configure(max_streams);
        self.raw.lift_restrictions(max_streams);
    }

    /// Makes up for the window that a stream takes which is not read, until what is returned is dropped: otherwise a few
    /// of them would stop all other streams of the connection.
    pub(crate) fn lend_window(&self) -> LentWindow<'_> {
        let mut stalled = self.stalled();
        stalled.now += 1;
        // It never shrinks: quinn gives what a window grows by at once, and takes it back with what is read later, so that
        // streams that stall by turns would have it without end.
        let lent = stalled.now.min(LENT_WINDOWS);
        if lent > stalled.lent {
            stalled.lent = lent;
            self.raw.set_window(CONNECTION_WINDOW + STREAM_WINDOW * lent);
        }
        drop(stalled);
        LentWindow(self)
    }

    fn stalled(&self) -> MutexGuard<'_, Stalled> {
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection as soon as it has no streams.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.close_if_unused();
    }

    /// Closes the connection; its streams fail with `cause`.
    pub(crate) fn close(&self, code: CloseCode, reason: &[u8], cause: TransportError) {
        let _ = self.cause.set(cause);
        self.raw.close(code, reason);
    }

    /// Rechecks the peer after each change of trust, and periodically, for as long as the connection lives.
    pub(crate) fn watch_trust(self: &Arc<Self>) {
        let connection = Arc::clone(self);
        let mut changes = connection.trust.changes();
        tokio::spawn(async move {
            while connection.check().is_ok() {
                tokio::select! {
                    _ = connection.raw.closed() => return,
                    _ = changes.changed() => {}
                    // Certificates expire without an event.
                    () = tokio::time::sleep(RECHECK_INTERVAL) => {}
                }
            }
        });
    }

    /// Counts that something is sent. Whether the caller is the one to watch for signs of life from now on, until
    /// [`Connection::end_watch`].
    pub(crate) fn begin_watch(&self) -> bool {
        self.watched.fetch_add(1, Ordering::AcqRel) == 0
    }

    pub(crate) fn watched(&self) -> usize {
        self.watched.load(Ordering::Acquire)
    }

    /// Ends the watch, unless something was sent since the count was `seen`.
    pub(crate) fn end_watch(&self, seen: usize) -> bool {
        self.watched.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Why the connection ended; `None` while it is alive.
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

    /// How long the peer may take to read what a task waits to write, or to begin a stream that it has opened.
    pub(crate) fn patience(&self) -> Duration {
        self.context.idle_timeout * 4
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

/// Streams that wait and do not read.
#[derive(Default)]
struct Stalled {
    now: u32,
    /// The windows that were lent for them.
    lent: u32,
}

/// The window of a stream that waits.
pub(crate) struct LentWindow<'c>(&'c Connection);

impl Drop for LentWindow<'_> {
    fn drop(&mut self) {
        self.0.stalled().now -= 1;
    }
}

/// Keeps a connection in use for one stream, or for a caller about to open one. A connection without leases is idle.
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

/// Tells the peer only what it needs to find out which side's configuration is at fault.
fn refuse(raw: &RawConnection, error: &TransportError) {
    let reason = match error {
        TransportError::Untrusted { because: Distrust::Secret, .. } => WITHOUT_SECRET,
        TransportError::Untrusted { .. } => b"not trusted",
        _ => return,
    };
    raw.close(CloseCode::Trust, reason);
}

/// Three messages of the maximum size.
const LARGE_MESSAGES_KIB: usize = 3 * 64 * 1024;
/// How long a connection may outlive the peer's certificate.
const RECHECK_INTERVAL: Duration = Duration::from_secs(60);
