use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{Ping, PingPong, RecvStream};
use quinn::ConnectionError;
use rustls::ConnectionCommon;
use rustls::pki_types::CertificateDer;
use tokio::sync::{Notify, mpsc, watch};

use super::control::{self, Record};
use super::stream::{TcpRecv, TcpSend, accept_stream};
use super::{STREAM, client};
use crate::protocol::CloseCode;

/// A connection to a peer over TLS on TCP. Clones are the same connection; dropping the last one closes it.
#[derive(Clone)]
pub(crate) struct TcpConnection {
    handle: Arc<Handle>,
}

/// Its tasks hold what is shared, so that only handles tell whether somebody still wants the connection.
struct Handle(Arc<ConnectionState>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close(CloseCode::Done as u32, b"let go");
    }
}

/// What the handle, the tasks and the streams of a connection share.
pub(super) struct ConnectionState {
    remote: SocketAddr,
    certificates: Vec<CertificateDer<'static>>,
    exported: [u8; 32],
    opener: Opener,
    incoming: tokio::sync::Mutex<mpsc::UnboundedReceiver<(TcpSend, TcpRecv)>>,
    records: mpsc::UnboundedSender<Record>,
    end: watch::Sender<Option<ConnectionError>>,
    pub(super) trusted: Notify,
    /// True once the socket is closed.
    socket_closed: watch::Sender<bool>,
    /// What became of each stream that is sent, by its HTTP/2 number.
    send_status: Mutex<HashMap<u32, watch::Sender<SendStatus>>>,
}

/// What the peer has said of a stream that is sent to it.
#[derive(Clone, Copy, Default)]
pub(super) struct SendStatus {
    /// Every byte is there.
    pub(super) arrived: bool,
    /// No more are wanted, with this code.
    pub(super) stopped: Option<u32>,
}

/// How this side opens streams.
pub(super) enum Opener {
    Client(SendRequest<Bytes>),
    /// Streams that the client has opened for this purpose.
    Server(tokio::sync::Mutex<mpsc::UnboundedReceiver<(RecvStream, SendResponse<Bytes>)>>),
}

/// What a handshake has shown of the peer.
pub(super) struct PeerHandshake {
    pub(super) remote: SocketAddr,
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) exported: [u8; 32],
}

impl PeerHandshake {
    /// Reads it off a TLS session whose handshake is complete.
    pub(super) fn of<D>(session: &ConnectionCommon<D>, remote: SocketAddr, label: &[u8]) -> io::Result<Self> {
        let exported = session.export_keying_material([0; 32], label, Some(b"")).map_err(io::Error::other)?;
        let certificates = session.peer_certificates().unwrap_or_default();
        let certificates = certificates.iter().map(|one| one.clone().into_owned()).collect();
        Ok(Self { remote, certificates, exported })
    }
}

impl TcpConnection {
    pub(super) fn new(
        peer: PeerHandshake,
        opener: Opener,
        incoming: mpsc::UnboundedReceiver<(TcpSend, TcpRecv)>,
        records: mpsc::UnboundedSender<Record>,
    ) -> Self {
        let PeerHandshake { remote, certificates, exported } = peer;
        let state = ConnectionState {
            remote,
            certificates,
            exported,
            opener,
            incoming: tokio::sync::Mutex::new(incoming),
            records,
            end: watch::Sender::new(None),
            trusted: Notify::new(),
            socket_closed: watch::Sender::new(false),
            send_status: Mutex::default(),
        };
        Self { handle: Arc::new(Handle(Arc::new(state))) }
    }

    pub(super) fn state(&self) -> &Arc<ConnectionState> {
        &self.handle.0
    }

    /// Opens a stream. Waits while the peer allows no more.
    pub(crate) async fn open_bi(&self) -> Result<(TcpSend, TcpRecv), ConnectionError> {
        let opened = match &self.state().opener {
            Opener::Client(requests) => client::open(requests, STREAM, self.state()).await,
            Opener::Server(reserved) => match reserved.lock().await.recv().await {
                Some((recv, respond)) => accept_stream(recv, respond, self.state()),
                None => None,
            },
        };
        match opened {
            Some(opened) => Ok(opened),
            None => Err(self.state().ended().await),
        }
    }

    /// The next stream that the peer has opened.
    pub(crate) async fn accept_bi(&self) -> Result<(TcpSend, TcpRecv), ConnectionError> {
        let mut incoming = self.state().incoming.lock().await;
        tokio::select! {
            biased;
            error = self.state().ended() => Err(error),
            Some(stream) = incoming.recv() => Ok(stream),
        }
    }

    /// Closes the connection, and tells the peer why. Only the first end counts.
    pub(crate) fn close(&self, code: u32, reason: &[u8]) {
        self.state().close(code, reason);
    }

    /// Resolves once the connection is over.
    pub(crate) async fn closed(&self) -> ConnectionError {
        self.state().ended().await
    }

    pub(crate) fn close_reason(&self) -> Option<ConnectionError> {
        self.state().end_reason()
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.state().remote
    }

    /// What the peer has shown, its own certificate first.
    pub(crate) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        self.state().certificates.clone()
    }

    /// The TLS session's keying material for proofs.
    pub(crate) fn exported(&self) -> [u8; 32] {
        self.state().exported
    }

    /// A handle that does not keep the connection.
    pub(crate) fn downgrade(&self) -> WeakTcpConnection {
        WeakTcpConnection(Arc::downgrade(&self.handle))
    }

    /// Resolves once the connection is closed and the peer has heard of it, or has had its time.
    pub(crate) async fn socket_closed(&self) {
        // An error means that the task which drives it has ended too.
        let _ = self.state().socket_closed.subscribe().wait_for(|socket_closed| *socket_closed).await;
    }

    /// Gives the peer the room of one that is trusted.
    pub(crate) fn lift_restrictions(&self) {
        self.state().trusted.notify_one();
    }
}

/// A handle that does not keep the connection.
pub(crate) struct WeakTcpConnection(Weak<Handle>);

impl WeakTcpConnection {
    /// The connection, where somebody still holds it and it is not over.
    pub(crate) fn upgrade(&self) -> Option<TcpConnection> {
        let connection = TcpConnection { handle: self.0.upgrade()? };
        connection.close_reason().is_none().then_some(connection)
    }
}

impl ConnectionState {
    /// Says that the socket is closed.
    pub(super) fn mark_socket_closed(&self) {
        self.socket_closed.send_replace(true);
    }

    /// What streams do once they see the end is behind the word of it.
    fn close(&self, code: u32, reason: &[u8]) {
        self.end_once(ConnectionError::LocallyClosed, || {
            // An error means that the peer is gone.
            let _ = self.records.send(Record::Close(code, Bytes::copy_from_slice(reason)));
        });
    }

    /// Ends the connection without a word to the peer: it knows, or is gone.
    pub(super) fn end(&self, error: ConnectionError) {
        self.end_once(error, || {});
    }

    /// Only the first end counts. `before` runs before anybody sees it.
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

    /// How the connection ended, of which a stream has noticed that it is over. Ends it where nothing else does.
    pub(super) async fn await_end(&self) -> ConnectionError {
        let ended = tokio::time::timeout(CLOSE_TIMEOUT, self.ended()).await;
        ended.unwrap_or_else(|_| {
            self.end(ConnectionError::Reset);
            ConnectionError::Reset
        })
    }

    /// Tells the peer that no more bytes of a stream are wanted.
    pub(super) fn send_stop(&self, stream: u32, code: u32) {
        let _ = self.records.send(Record::Stop(stream, code));
    }

    /// Tells the peer that a stream has arrived whole.
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

    /// Tells what becomes of a stream that is sent, until it is forgotten.
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

/// Starts what both sides of the first stream do.
pub(super) fn start_control(
    state: &Arc<ConnectionState>,
    send: TcpSend,
    recv: TcpRecv,
    records: mpsc::UnboundedReceiver<Record>,
) {
    tokio::spawn(control::write(send, records));
    let state = Arc::clone(state);
    tokio::spawn(async move { control::read(recv, &state).await });
}

/// Asks the peer now and then whether it is there, and ends the connection where it is silent.
pub(super) async fn keep_alive(state: Arc<ConnectionState>, mut pings: PingPong, idle_timeout: Duration) {
    loop {
        tokio::select! {
            _ = state.ended() => return,
            () = tokio::time::sleep(idle_timeout / 3) => {}
        }
        match tokio::time::timeout(idle_timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The task that drives the connection says how it ended.
            Ok(Err(_)) => return,
            Err(_) => return state.end(ConnectionError::TimedOut),
        }
    }
}

impl fmt::Debug for TcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnection").field("remote", &self.remote_address()).finish_non_exhaustive()
    }
}

/// How long the peer may take to hear of the end.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
