use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use quinn::ConnectionError;
use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;

use super::params::STREAM;
use super::state::ConnectionState;
use super::stream::{self, TcpRecv, TcpSend};
use crate::limits::CONNECTION_WINDOW;
use crate::protocol::CloseCode;

/// A connection to a peer over TLS on TCP. Clones are the same connection; dropping the last one closes it.
#[derive(Clone)]
pub(crate) struct TcpConnection {
    handle: Arc<Handle>,
}

/// The tasks of a connection hold its core, so that only the handles show whether anyone still uses the connection.
struct Handle(Arc<Core>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.state.close(CloseCode::Done as u32, b"let go");
    }
}

/// Everything that lives as long as a connection is used or driven.
pub(super) struct Core {
    pub(super) state: Arc<ConnectionState>,
    opener: Opener,
    incoming: tokio::sync::Mutex<mpsc::Receiver<(TcpSend, TcpRecv)>>,
}

/// How this side opens streams.
pub(super) enum Opener {
    Client(SendRequest<Bytes>),
    /// Streams that the client has reserved for the server.
    Server(tokio::sync::Mutex<mpsc::Receiver<(TcpRecv, SendResponse<Bytes>)>>),
}

impl TcpConnection {
    pub(super) fn new(
        state: Arc<ConnectionState>,
        opener: Opener,
        incoming: mpsc::Receiver<(TcpSend, TcpRecv)>,
    ) -> Self {
        let core = Core { state, opener, incoming: tokio::sync::Mutex::new(incoming) };
        Self { handle: Arc::new(Handle(Arc::new(core))) }
    }

    /// Kept by the task that drives the connection.
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.handle.0
    }

    fn state(&self) -> &Arc<ConnectionState> {
        &self.core().state
    }

    /// Opens a stream. Waits while the peer allows no more.
    pub(crate) async fn open_bi(&self) -> Result<(TcpSend, TcpRecv), ConnectionError> {
        let opened = match &self.core().opener {
            Opener::Client(requests) => stream::open(requests, STREAM, self.state()).await,
            Opener::Server(reserved) => match reserved.lock().await.recv().await {
                Some((recv, respond)) => stream::answer(recv, respond, self.state()),
                None => None,
            },
        };
        match opened {
            Some(opened) => Ok(opened),
            None => Err(self.state().ended().await),
        }
    }

    /// Waits for the next stream opened by the peer.
    pub(crate) async fn accept_bi(&self) -> Result<(TcpSend, TcpRecv), ConnectionError> {
        let mut incoming = self.core().incoming.lock().await;
        tokio::select! {
            biased;
            error = self.state().ended() => Err(error),
            Some(stream) = incoming.recv() => Ok(stream),
        }
    }

    /// Closes the connection and tells the peer why. Only the first end counts.
    pub(crate) fn close(&self, code: u32, reason: &[u8]) {
        self.state().close(code, reason);
    }

    /// Resolves when the connection has ended.
    pub(crate) async fn closed(&self) -> ConnectionError {
        self.state().ended().await
    }

    pub(crate) fn close_reason(&self) -> Option<ConnectionError> {
        self.state().end_reason()
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.state().peer.remote
    }

    /// The certificates that the peer presented, its own first.
    pub(crate) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        self.state().peer.certificates.clone()
    }

    /// Keying material of the TLS session, for proofs.
    pub(crate) fn exported(&self) -> [u8; 32] {
        self.state().peer.exported
    }

    /// Its socket, for somebody who does not use the connection.
    pub(crate) fn socket(&self) -> TcpSocket {
        TcpSocket(Arc::clone(self.state()))
    }

    /// A handle that does not keep the connection alive.
    pub(crate) fn downgrade(&self) -> WeakTcpConnection {
        WeakTcpConnection(Arc::downgrade(&self.handle))
    }

    /// Resolves once the connection is closed and the peer was told so, or `CLOSE_TIMEOUT` has passed.
    pub(crate) async fn socket_closed(&self) {
        self.state().socket_closed().await;
    }

    /// Lets the peer open all its streams, and raises the flow-control window to that of an admitted one.
    pub(crate) fn lift_restrictions(&self) {
        self.state().mark_proven();
        self.set_window(CONNECTION_WINDOW);
    }

    /// Sets the flow-control window.
    pub(crate) fn set_window(&self, bytes: u32) {
        self.state().set_window(bytes);
    }
}

/// The socket of an accepted connection. It is open for up to `CLOSE_TIMEOUT` after the connection has ended.
pub(crate) struct TcpSocket(Arc<ConnectionState>);

impl TcpSocket {
    /// Resolves once it is closed.
    pub(crate) async fn closed(&self) {
        self.0.socket_closed().await;
    }

    /// Closes it without telling the peer.
    pub(crate) fn cut(&self) {
        self.0.cut();
    }
}

/// A handle that does not keep the connection alive.
pub(crate) struct WeakTcpConnection(Weak<Handle>);

impl WeakTcpConnection {
    /// The connection, if it is still in use and has not ended.
    pub(crate) fn upgrade(&self) -> Option<TcpConnection> {
        let connection = TcpConnection { handle: self.0.upgrade()? };
        connection.close_reason().is_none().then_some(connection)
    }
}

impl fmt::Debug for TcpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnection").field("remote", &self.remote_address()).finish_non_exhaustive()
    }
}
