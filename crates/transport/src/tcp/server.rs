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
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connection::{FAREWELL, Met, Opener, Shared, TcpConnection, keep_alive, start_control};
use super::control::Record;
use super::socket::Socket;
use super::stream::{TcpRecv, TcpSend, pair};
use super::{
    CONNECTION_WINDOW, CONTROL, FRAME, FRAMING_BUDGET, OWN_STREAMS, PARKED, SEND_BUFFER, STREAM,
    STREAM_WINDOW, Terms,
};

/// Answers a TCP connection. The peer's certificate has been verified when it resolves.
///
/// # Errors
/// As TLS fails; [`super::handshake_error`] tells how.
pub(crate) async fn accept(
    socket: TcpStream,
    tls: Arc<rustls::ServerConfig>,
    label: &[u8],
    terms: Terms,
) -> io::Result<TcpConnection> {
    let remote = socket.peer_addr()?;
    socket.set_nodelay(true)?;
    let stream = match TlsAcceptor::from(tls).accept(socket).into_fallible().await {
        Ok(stream) => stream,
        Err((error, socket)) => {
            see_off(socket).await;
            return Err(error);
        }
    };
    let met = Met::over(stream.get_ref().1, remote, label)?;
    let (socket, failure) = Socket::new(stream);
    let handshake = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .max_frame_size(FRAME)
        .max_send_buffer_size(SEND_BUFFER)
        .data_frame_budget(FRAMING_BUDGET)
        .max_concurrent_streams(terms.max_streams.saturating_add(OWN_STREAMS))
        .handshake(socket);
    let mut connection = handshake.await.map_err(io::Error::other)?;
    let (incoming, streams) = mpsc::unbounded_channel();
    let (parked, openable) = mpsc::unbounded_channel();
    let (record, records) = mpsc::unbounded_channel();
    let pings = connection.ping_pong().expect("nobody has taken it yet");
    let opener = Opener::Server(tokio::sync::Mutex::new(openable));
    let made = TcpConnection::new(met, opener, streams, record);
    tokio::spawn(keep_alive(Arc::clone(made.shared()), pings, terms.idle_timeout));
    let desk = Desk { shared: Arc::clone(made.shared()), incoming, parked, records: Some(records) };
    let driven = Arc::clone(made.shared());
    tokio::spawn(async move {
        drive(connection, desk, &failure).await;
        driven.note_gone();
    });
    Ok(made)
}

/// Where the streams of a connection go.
struct Desk {
    shared: Arc<Shared>,
    incoming: mpsc::UnboundedSender<(TcpSend, TcpRecv)>,
    parked: mpsc::UnboundedSender<(RecvStream, SendResponse<Bytes>)>,
    /// Until the control stream is there.
    records: Option<mpsc::UnboundedReceiver<Record>>,
}

impl Desk {
    fn take(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let path = request.uri().path().to_owned();
        let recv = request.into_body();
        match (path.as_str(), &mut self.records) {
            (CONTROL, records @ Some(_)) => {
                if let (Some((send, recv)), Some(records)) =
                    (pair(recv, respond, &self.shared), records.take())
                {
                    start_control(&self.shared, send, recv, records);
                }
            }
            // Nobody waits for it any more where the channel is closed.
            (STREAM, _) => {
                if let Some(stream) = pair(recv, respond, &self.shared) {
                    let _ = self.incoming.send(stream);
                }
            }
            (PARKED, _) => drop(self.parked.send((recv, respond))),
            _ => {
                let mut refusal = Response::new(());
                *refusal.status_mut() = StatusCode::NOT_FOUND;
                let _ = respond.send_response(refusal, true);
            }
        }
    }
}

async fn drive(
    mut connection: Connection<Socket<TlsStream<TcpStream>>, Bytes>,
    mut desk: Desk,
    failure: &OnceLock<ConnectionError>,
) {
    let shared = Arc::clone(&desk.shared);
    loop {
        tokio::select! {
            biased;
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => desk.take(request, respond),
                Some(Err(_)) | None => {
                    return shared.end(failure.get().cloned().unwrap_or(ConnectionError::Reset));
                }
            },
            error = shared.ended() => {
                if matches!(error, ConnectionError::LocallyClosed) {
                    // Streams are still taken: the control stream may not have come yet, and to drop others would
                    // tell the peer of them first.
                    let farewell = async {
                        while let Some(Ok((request, respond))) = connection.accept().await {
                            desk.take(request, respond);
                        }
                    };
                    let _ = tokio::time::timeout(FAREWELL, farewell).await;
                }
                return;
            }
            () = shared.admitted.notified() => connection.set_target_window_size(CONNECTION_WINDOW),
        }
    }
}

/// Lets the alert that says why arrive: closing a socket with unread bytes takes back what is on its way.
async fn see_off(mut socket: TcpStream) {
    let _ = socket.shutdown().await;
    let mut unread = [0; 4096];
    let drained = async { while matches!(socket.read(&mut unread).await, Ok(1..)) {} };
    let _ = tokio::time::timeout(FAREWELL, drained).await;
}
