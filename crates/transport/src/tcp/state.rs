use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use quinn::ConnectionError;
use rustls::ConnectionCommon;
use rustls::pki_types::CertificateDer;
use tokio::sync::{Notify, mpsc, watch};

use super::record::Record;
use crate::limits::CLOSE_TIMEOUT;

/// State shared by the tasks and the streams of a connection.
pub(super) struct ConnectionState {
    pub(super) peer: PeerHandshake,
    records: mpsc::UnboundedSender<Record>,
    end: watch::Sender<Option<ConnectionError>>,
    pub(super) trusted: Notify,
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
    pub(super) fn new(peer: PeerHandshake, records: mpsc::UnboundedSender<Record>) -> Self {
        Self {
            peer,
            records,
            end: watch::Sender::new(None),
            trusted: Notify::new(),
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

    /// Ends the connection without telling the peer, which knows or is gone.
    pub(super) fn end(&self, error: ConnectionError) {
        self.end_once(error, || {});
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
        let _ = self.records.send(Record::Stop(stream, code));
    }

    /// Tells the peer that every byte of a stream has arrived.
    pub(super) fn send_arrived(&self, stream: u32) {
        let _ = self.records.send(Record::Arrived(stream));
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
