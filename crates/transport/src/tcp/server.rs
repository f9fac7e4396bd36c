use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, Connection, SendResponse};
use http::{Request, Response, StatusCode};
use quinn::ConnectionError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{Core, Opener, TcpConnection};
use super::control::{keep_alive, start_control};
use super::params::{
    CONTROL, DATA_FRAME_BUDGET, INTERNAL_STREAMS, MAX_FRAME, RESERVED, SEND_BUFFER, STREAM, TcpParams,
};
use super::record::Record;
use super::socket::Socket;
use super::state::{ConnectionState, PeerHandshake};
use super::stream::{self, TcpRecv, TcpSend};
use crate::limits::{CLOSE_TIMEOUT, HEADER_LIST, RESERVED_STREAMS, STRANGER_STREAMS, STREAM_WINDOW};
use crate::protocol::{CloseCode, WITHOUT_SECRET};

/// Accepts a TCP connection. The peer's certificate has been verified when it resolves.
///
/// # Errors
/// The error of TLS; [`super::handshake_error`] translates it.
pub(crate) async fn accept(
    socket: TcpStream,
    tls: Arc<rustls::ServerConfig>,
    label: &[u8],
    params: TcpParams,
) -> io::Result<TcpConnection> {
    let remote = socket.peer_addr()?;
    socket.set_nodelay(true)?;
    let stream = match TlsAcceptor::from(tls).accept(socket).into_fallible().await {
        Ok(stream) => stream,
        Err((error, socket)) => {
            drain_refused(socket).await;
            return Err(error);
        }
    };
    let peer = PeerHandshake::of(stream.get_ref().1, remote, label)?;
    let (socket, failure) = Socket::new(stream);
    let max_streams = params.max_streams.saturating_add(INTERNAL_STREAMS);
    let mut settings = Builder::new();
    if !params.proof {
        settings.data_frame_budget(DATA_FRAME_BUDGET);
    }
    let handshake = settings
        .initial_window_size(STREAM_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(HEADER_LIST)
        .max_concurrent_streams(max_streams)
        .handshake(socket);
    let mut connection = handshake.await.map_err(io::Error::other)?;
    let (incoming, streams) = mpsc::channel(max_streams as usize);
    let (reserved, openable) = mpsc::channel(RESERVED_STREAMS);
    let (record, records) = mpsc::unbounded_channel();
    let pings = connection.ping_pong().expect("it is taken only here");
    let opener = Opener::Server(tokio::sync::Mutex::new(openable));
    let state = Arc::new(ConnectionState::new(peer, record, params));
    let made = TcpConnection::new(Arc::clone(&state), opener, streams);
    tokio::spawn(keep_alive(Arc::clone(&state), pings, params.idle_timeout));
    let dispatcher = StreamDispatcher { state, incoming, reserved, records: Some(records), taken: 0 };
    let core = Arc::clone(made.core());
    tokio::spawn(async move {
        drive(connection, dispatcher, &core, &failure).await;
        core.state.mark_socket_closed();
    });
    Ok(made)
}

/// Passes on the streams that the client opens.
struct StreamDispatcher {
    state: Arc<ConnectionState>,
    incoming: mpsc::Sender<(TcpSend, TcpRecv)>,
    reserved: mpsc::Sender<(TcpRecv, SendResponse<Bytes>)>,
    /// Taken when the control stream is opened.
    records: Option<mpsc::UnboundedReceiver<Record>>,
    /// Streams opened so far.
    taken: u64,
}

impl StreamDispatcher {
    fn take(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        self.taken += 1;
        if self.taken > u64::from(STRANGER_STREAMS) && self.state.is_unproven() {
            // Most likely a node that does not know that it has to prove a secret first.
            return self.state.close(CloseCode::Trust as u32, WITHOUT_SECRET);
        }
        let path = request.uri().path().to_owned();
        let recv = request.into_body();
        match (path.as_str(), &mut self.records) {
            (CONTROL, records @ Some(_)) => {
                if let (Some((send, recv)), Some(records)) =
                    (stream::accept(recv, respond, &self.state), records.take())
                {
                    start_control(&self.state, send, recv, records);
                }
            }
            (STREAM, _) => {
                if let Some(stream) = stream::accept(recv, respond, &self.state) {
                    self.keep(&self.incoming.try_send(stream), "streams that were opened and reset");
                }
            }
            (RESERVED, _) => {
                // Received from the start, so that what arrives too early is merged and counted like any other bytes.
                let recv = TcpRecv::start(recv, &self.state);
                self.keep(&self.reserved.try_send((recv, respond)), "reserved streams");
            }
            _ => {
                let mut refusal = Response::new(());
                *refusal.status_mut() = StatusCode::NOT_FOUND;
                let _ = respond.send_response(refusal, true);
            }
        }
    }
}

impl StreamDispatcher {
    /// A peer that obeys HTTP/2's limit finds room in every queue: it is full only of streams that were reset.
    fn keep<T>(&self, queued: &Result<(), TrySendError<T>>, limit: &'static str) {
        // If the channel is closed, nobody wants the stream any more.
        if matches!(queued, Err(TrySendError::Full(_))) {
            self.state.close_over(limit);
        }
    }
}

async fn drive(
    mut connection: Connection<Socket<TlsStream<TcpStream>>, Bytes>,
    mut dispatcher: StreamDispatcher,
    core: &Core,
    failure: &OnceLock<ConnectionError>,
) {
    let state = &core.state;
    loop {
        tokio::select! {
            biased;
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => dispatcher.take(request, respond),
                Some(Err(_)) | None => {
                    return state.end(failure.get().cloned().unwrap_or(ConnectionError::Reset));
                }
            },
            error = state.ended() => {
                if matches!(error, ConnectionError::LocallyClosed | ConnectionError::TransportError(_)) {
                    // Keep accepting streams: the control stream may not have arrived yet, and dropping others would
                    // reset them before the peer learns of the close.
                    let farewell = async {
                        while let Some(Ok((request, respond))) = connection.accept().await {
                            dispatcher.take(request, respond);
                        }
                    };
                    tokio::select! {
                        _ = tokio::time::timeout(CLOSE_TIMEOUT, farewell) => {}
                        () = state.cut.notified() => {}
                    }
                }
                return;
            }
            () = state.resized.notified() => connection.set_target_window_size(state.window()),
        }
    }
}

/// Lets the TLS alert arrive: closing a socket with unread bytes would discard what is being sent.
async fn drain_refused(mut socket: TcpStream) {
    let _ = socket.shutdown().await;
    let mut unread = [0; 4096];
    let drained = async { while matches!(socket.read(&mut unread).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, drained).await;
}
