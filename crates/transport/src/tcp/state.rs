use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use quinn::{ConnectionError, TransportErrorCode};
use rustls::ConnectionCommon;
use rustls::pki_types::CertificateDer;
use tokio::sync::{Notify, mpsc, watch};

use super::params::TcpParams;
use super::record::Record;
use crate::limits::{CLOSE_TIMEOUT, CONNECTION_WINDOW, WAITING_RECORDS};
use crate::protocol::CloseCode;

/// State shared by the tasks and the streams of a connection.
pub(super) struct ConnectionState {
    pub(super) peer: PeerHandshake,
    records: mpsc::UnboundedSender<Record>,
    /// Records that were queued and not written.
    waiting_records: AtomicUsize,
    max_waiting_records: usize,
    /// Whether the peer still has to prove a secret.
    unproven: AtomicBool,
    end: watch::Sender<Option<ConnectionError>>,
    /// The flow-control window of an admitted peer.
    window: AtomicU32,
    /// The window has changed.
    pub(super) resized: Notify,
    /// Wakes the task that waits for the peer to hear why the connection is closed.
    pub(super) cut: Notify,
    /// True once the socket is closed.
    socket_closed: watch::Sender<bool>,
    /// The status of each sending stream, by its HTTP/2 number.
    send_status: Mutex<HashMap<u32, watch::Sender<SendStatus>>>,
}

/// What the peer has reported about a stream that it receives.
#[derive(Clone, Copy, Default)]
pub(super) struct SendStatus {
    /// Every byte has arrived.
    pub(super) arrived: bool,
    /// The peer stopped the stream with this code.
    pub(super) stopped: Option<u32>,
}

/// What is known of the peer after the handshake.
pub(super) struct PeerHandshake {
    pub(super) remote: SocketAddr,
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) exported: [u8; 32],
}

impl PeerHandshake {
    /// Reads it from a TLS session whose handshake is complete.
    pub(super) fn of<D>(session: &ConnectionCommon<D>, remote: SocketAddr, label: &[u8]) -> io::Result<Self> {
        let exported = session.export_keying_material([0; 32], label, Some(b"")).map_err(io::Error::other)?;
        let certificates = session.peer_certificates().unwrap_or_default();
        let certificates = certificates.iter().map(|one| one.clone().into_owned()).collect();
        Ok(Self { remote, certificates, exported })
    }
}

impl ConnectionState {
    pub(super) fn new(
        peer: PeerHandshake,
        records: mpsc::UnboundedSender<Record>,
        params: TcpParams,
    ) -> Self {
        Self {
            peer,
            records,
            waiting_records: AtomicUsize::new(0),
            max_waiting_records: WAITING_RECORDS + 2 * params.max_streams as usize,
            unproven: AtomicBool::new(params.proof),
            end: watch::Sender::new(None),
            window: AtomicU32::new(CONNECTION_WINDOW),
            resized: Notify::new(),
            cut: Notify::new(),
            socket_closed: watch::Sender::new(false),
            send_status: Mutex::default(),
        }
    }

    /// Marks the socket as closed.
    pub(super) fn mark_socket_closed(&self) {
        self.socket_closed.send_replace(true);
    }

    /// Waits until the socket is closed.
    pub(super) async fn socket_closed(&self) {
        // Never an error: the sender is a field of `self`.
        let _ = self.socket_closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Ends the connection. The close record is queued before any stream sees the end, so it goes first.
    pub(super) fn close(&self, code: u32, reason: &[u8]) {
        self.end_once(ConnectionError::LocallyClosed, || {
            // An error means that the peer is gone.
            let _ = self.records.send(Record::Close(code, Bytes::copy_from_slice(reason)));
        });
    }

    /// Ends the connection of a peer that exceeded a limit.
    pub(super) fn close_over(&self, limit: &'static str) {
        let mut end = ConnectionError::TransportError(TransportErrorCode::STREAM_LIMIT_ERROR.into());
        if let ConnectionError::TransportError(error) = &mut end {
            limit.clone_into(&mut error.reason);
        }
        self.end_once(end, || {
            let reason = Bytes::from_static(limit.as_bytes());
            let _ = self.records.send(Record::Close(CloseCode::Limit as u32, reason));
        });
    }

    /// Ends the connection without telling the peer, which knows or is gone.
    pub(super) fn end(&self, error: ConnectionError) {
        self.end_once(error, || {});
    }

    /// Closes the socket at once, even if the peer is still being told of the end.
    pub(super) fn cut(&self) {
        self.end(ConnectionError::Reset);
        self.cut.notify_one();
    }

    /// Only the first end counts. `before` runs before anyone sees it.
    fn end_once(&self, error: ConnectionError, before: impl FnOnce()) {
        self.end.send_if_modified(|end| {
            let is_first = end.is_none();
            if is_first {
                before();
                *end = Some(error);
            }
            is_first
        });
    }

    pub(super) fn end_reason(&self) -> Option<ConnectionError> {
        self.end.borrow().clone()
    }

    pub(super) async fn ended(&self) -> ConnectionError {
        let mut end = self.end.subscribe();
        let ended = end.wait_for(Option::is_some).await.map(|end| end.clone());
        ended.ok().flatten().unwrap_or(ConnectionError::Reset)
    }

    /// How the connection ended, after a stream has failed with it. Ends it if nothing else does.
    pub(super) async fn await_end(&self) -> ConnectionError {
        let ended = tokio::time::timeout(CLOSE_TIMEOUT, self.ended()).await;
        ended.unwrap_or_else(|_| {
            self.end(ConnectionError::Reset);
            ConnectionError::Reset
        })
    }

    /// Tells the peer that a stream is stopped.
    pub(super) fn send_stop(&self, stream: u32, code: u32) {
        self.send(Record::Stop(stream, code));
    }

    /// Tells the peer that every byte of a stream has arrived.
    pub(super) fn send_arrived(&self, stream: u32) {
        self.send(Record::Arrived(stream));
    }

    /// Queues a record. Closes the connection of a peer that uses streams and does not read what is said about them.
    fn send(&self, record: Record) {
        if self.waiting_records.fetch_add(1, Ordering::Relaxed) >= self.max_waiting_records {
            return self.close_over("records of the control stream that are not read");
        }
        // An error means that the peer is gone.
        let _ = self.records.send(record);
    }

    /// A record was written.
    pub(super) fn count_written(&self) {
        self.waiting_records.fetch_sub(1, Ordering::Relaxed);
    }

    /// Sets the window, which the task that drives the connection applies.
    pub(super) fn set_window(&self, bytes: u32) {
        self.window.store(bytes, Ordering::Release);
        self.resized.notify_one();
    }

    pub(super) fn window(&self) -> u32 {
        self.window.load(Ordering::Acquire)
    }

    /// The peer has proven a secret.
    pub(super) fn mark_proven(&self) {
        self.unproven.store(false, Ordering::Release);
    }

    pub(super) fn is_unproven(&self) -> bool {
        self.unproven.load(Ordering::Acquire)
    }

    pub(super) fn mark_arrived(&self, stream: u32) {
        if let Some(status) = self.send_status().get(&stream) {
            status.send_modify(|status| status.arrived = true);
        }
    }

    pub(super) fn mark_stopped(&self, stream: u32, code: u32) {
        if let Some(status) = self.send_status().get(&stream) {
            status.send_modify(|status| status.stopped = Some(code));
        }
    }

    /// Follows the status of a sending stream until [`ConnectionState::untrack`].
    pub(super) fn track(&self, stream: u32) -> watch::Receiver<SendStatus> {
        let (sender, status) = watch::channel(SendStatus::default());
        self.send_status().insert(stream, sender);
        status
    }

    pub(super) fn untrack(&self, stream: u32) {
        self.send_status().remove(&stream);
    }

    fn send_status(&self) -> MutexGuard<'_, HashMap<u32, watch::Sender<SendStatus>>> {
        self.send_status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
