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
use super::stream::{TcpRecv, TcpSend, pair};
use super::{STREAM, client};
use crate::protocol::CloseCode;

/// A connection to a peer over TLS on TCP. Clones are the same connection; dropping the last one closes it.
#[derive(Clone)]
pub(crate) struct TcpConnection {
    handle: Arc<Handle>,
}

/// Its tasks hold what is shared, so that only handles tell whether somebody still wants the connection.
struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close(CloseCode::Done as u32, b"let go");
    }
}

/// What the handle, the tasks and the streams of a connection share.
pub(super) struct Shared {
    remote: SocketAddr,
    certificates: Vec<CertificateDer<'static>>,
    exported: [u8; 32],
    opener: Opener,
    incoming: tokio::sync::Mutex<mpsc::UnboundedReceiver<(TcpSend, TcpRecv)>>,
    records: mpsc::UnboundedSender<Record>,
    end: watch::Sender<Option<ConnectionError>>,
    pub(super) admitted: Notify,
    /// True once the socket is closed.
    gone: watch::Sender<bool>,
    /// What became of each stream that is sent, by its HTTP/2 number.
    fates: Mutex<HashMap<u32, watch::Sender<Fate>>>,
}

/// What the peer has said of a stream that is sent to it.
#[derive(Clone, Copy, Default)]
pub(super) struct Fate {
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
pub(super) struct Met {
    pub(super) remote: SocketAddr,
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) exported: [u8; 32],
}

impl Met {
    /// Reads it off a TLS session whose handshake is complete.
    pub(super) fn over<D>(
        session: &ConnectionCommon<D>,
        remote: SocketAddr,
        label: &[u8],
    ) -> io::Result<Self> {
        let exported = session.export_keying_material([0; 32], label, Some(b"")).map_err(io::Error::other)?;
        let certificates = session.peer_certificates().unwrap_or_default();
        let certificates = certificates.iter().map(|one| one.clone().into_owned()).collect();
        Ok(Self { remote, certificates, exported })
    }
}

impl TcpConnection {
    pub(super) fn new(
        met: Met,
        opener: Opener,
        incoming: mpsc::UnboundedReceiver<(TcpSend, TcpRecv)>,
        records: mpsc::UnboundedSender<Record>,
    ) -> Self {
        let Met { remote, certificates, exported } = met;
        let shared = Shared {
            remote,
            certificates,
            exported,
            opener,
            incoming: tokio::sync::Mutex::new(incoming),
            records,
            end: watch::Sender::new(None),
            admitted: Notify::new(),
            gone: watch::Sender::new(false),
            fates: Mutex::default(),
        };
        Self { handle: Arc::new(Handle(Arc::new(shared))) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.0
    }

    /// Opens a stream. Waits while the peer allows no more.
    pub(crate) async fn open_bi(&self) -> Result<(TcpSend, TcpRecv), ConnectionError> {
        let opened = match &self.shared().opener {
            Opener::Client(requests) => client::open(requests, STREAM, self.shared()).await,
            Opener::Server(parked) => match parked.lock().await.recv().await {
                Some((recv, respond)) => pair(recv, respond, self.shared()),
                None => None,
            },
        };
        match opened {
            Some(opened) => Ok(opened),
            None => Err(self.shared().ended().await),
        }
    }

    /// The next stream that the peer has opened.
    pub(crate) async fn accept_bi(&self) -> Result<(TcpSend, TcpRecv), ConnectionError> {
        let mut incoming = self.shared().incoming.lock().await;
        tokio::select! {
            biased;
            error = self.shared().ended() => Err(error),
            Some(stream) = incoming.recv() => Ok(stream),
        }
    }

    /// Closes the connection, and tells the peer why. Only the first end counts.
    pub(crate) fn close(&self, code: u32, reason: &[u8]) {
        self.shared().close(code, reason);
    }

    /// Resolves once the connection is over.
    pub(crate) async fn closed(&self) -> ConnectionError {
        self.shared().ended().await
    }

    pub(crate) fn close_reason(&self) -> Option<ConnectionError> {
        self.shared().ended_yet()
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.shared().remote
    }

    /// What the peer has shown, its own certificate first.
    pub(crate) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        self.shared().certificates.clone()
    }

    /// The TLS session's keying material for proofs.
    pub(crate) fn exported(&self) -> [u8; 32] {
        self.shared().exported
    }

    /// A handle that does not keep the connection.
    pub(crate) fn downgrade(&self) -> WeakTcp {
        WeakTcp(Arc::downgrade(&self.handle))
    }

    /// Resolves once the connection is closed and the peer has heard of it, or has had its time.
    pub(crate) async fn gone(&self) {
        // An error means that the task which drives it has ended too.
        let _ = self.shared().gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// Gives the peer the room of one that is trusted.
    pub(crate) fn trust_fully(&self) {
        self.shared().admitted.notify_one();
    }
}

/// A handle that does not keep the connection.
pub(crate) struct WeakTcp(Weak<Handle>);

impl WeakTcp {
    /// The connection, where somebody still holds it and it is not over.
    pub(crate) fn upgrade(&self) -> Option<TcpConnection> {
        let connection = TcpConnection { handle: self.0.upgrade()? };
        connection.close_reason().is_none().then_some(connection)
    }
}

impl Shared {
    /// Says that the socket is closed.
    pub(super) fn note_gone(&self) {
        self.gone.send_replace(true);
    }

    /// What streams do once they see the end is behind the word of it.
    fn close(&self, code: u32, reason: &[u8]) {
        self.end_with(ConnectionError::LocallyClosed, || {
            // An error means that the peer is gone.
            let _ = self.records.send(Record::Close(code, Bytes::copy_from_slice(reason)));
        });
    }

    /// Ends the connection without a word to the peer: it knows, or is gone.
    pub(super) fn end(&self, error: ConnectionError) {
        self.end_with(error, || {});
    }

    /// Only the first end counts. `say` runs before anybody sees it.
    fn end_with(&self, error: ConnectionError, say: impl FnOnce()) {
        self.end.send_if_modified(|end| {
            let is_first = end.is_none();
            if is_first {
                say();
                *end = Some(error);
            }
            is_first
        });
    }

    pub(super) fn ended_yet(&self) -> Option<ConnectionError> {
        self.end.borrow().clone()
    }

    pub(super) async fn ended(&self) -> ConnectionError {
        let mut end = self.end.subscribe();
        let ended = end.wait_for(Option::is_some).await.map(|end| end.clone());
        ended.ok().flatten().unwrap_or(ConnectionError::Reset)
    }

    /// How the connection ended, of which a stream has noticed that it is over. Ends it where nothing else does.
    pub(super) async fn broken(&self) -> ConnectionError {
        let ended = tokio::time::timeout(FAREWELL, self.ended()).await;
        ended.unwrap_or_else(|_| {
            self.end(ConnectionError::Reset);
            ConnectionError::Reset
        })
    }

    /// Tells the peer that no more bytes of a stream are wanted.
    pub(super) fn tell_stopped(&self, stream: u32, code: u32) {
        let _ = self.records.send(Record::Stop(stream, code));
    }

    /// Tells the peer that a stream has arrived whole.
    pub(super) fn tell_arrived(&self, stream: u32) {
        let _ = self.records.send(Record::Arrived(stream));
    }

    pub(super) fn note_arrived(&self, stream: u32) {
        if let Some(fate) = self.fates().get(&stream) {
            fate.send_modify(|fate| fate.arrived = true);
        }
    }

    pub(super) fn note_stopped(&self, stream: u32, code: u32) {
        if let Some(fate) = self.fates().get(&stream) {
            fate.send_modify(|fate| fate.stopped = Some(code));
        }
    }

    /// Tells what becomes of a stream that is sent, until it is forgotten.
    pub(super) fn follow(&self, stream: u32) -> watch::Receiver<Fate> {
        let (sender, fate) = watch::channel(Fate::default());
        self.fates().insert(stream, sender);
        fate
    }

    pub(super) fn forget(&self, stream: u32) {
        self.fates().remove(&stream);
    }

    fn fates(&self) -> MutexGuard<'_, HashMap<u32, watch::Sender<Fate>>> {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts what both sides of the first stream do.
pub(super) fn start_control(
    shared: &Arc<Shared>,
    send: TcpSend,
    recv: TcpRecv,
    records: mpsc::UnboundedReceiver<Record>,
) {
    tokio::spawn(control::write(send, records));
    let shared = Arc::clone(shared);
    tokio::spawn(async move { control::read(recv, &shared).await });
}

/// Asks the peer now and then whether it is there, and ends the connection where it is silent.
pub(super) async fn keep_alive(shared: Arc<Shared>, mut pings: PingPong, idle_timeout: Duration) {
    loop {
        tokio::select! {
            _ = shared.ended() => return,
            () = tokio::time::sleep(idle_timeout / 3) => {}
        }
        match tokio::time::timeout(idle_timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The task that drives the connection says how it ended.
            Ok(Err(_)) => return,
            Err(_) => return shared.end(ConnectionError::TimedOut),
        }
    }
}

impl fmt::Debug for TcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnection").field("remote", &self.remote_address()).finish_non_exhaustive()
    }
}

/// How long the peer may take to hear of the end.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);
