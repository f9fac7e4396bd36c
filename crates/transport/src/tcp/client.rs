use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use http::Request;
use quinn::ConnectionError;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connection::{FAREWELL, Met, Opener, Shared, TcpConnection, keep_alive, start_control};
use super::socket::Socket;
use super::stream::{TcpRecv, TcpSend};
use super::{
    ALPN, CONNECTION_WINDOW, CONTROL, FRAME, FRAMING_BUDGET, OWN_STREAMS, PARKED, SEND_BUFFER, STREAM_WINDOW,
    Terms,
};

/// Connects over TCP. Nothing of the application has left when it resolves.
///
/// # Errors
/// As TCP and TLS fail; [`super::handshake_error`] tells them apart.
pub(crate) async fn dial(
    remote: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
    label: &[u8],
    terms: Terms,
) -> io::Result<TcpConnection> {
    let socket = TcpStream::connect(remote).await?;
    socket.set_nodelay(true)?;
    let stream = TlsConnector::from(tls).connect(name, socket).await?;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(ALPN) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it speaks no HTTP/2"));
    }
    let met = Met::over(session, remote, label)?;
    let (socket, failure) = Socket::new(stream);
    let handshake = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .max_frame_size(FRAME)
        .max_send_buffer_size(SEND_BUFFER)
        .data_frame_budget(FRAMING_BUDGET)
        // Until the server has said how many it takes: the least that every server does.
        .initial_max_send_streams(OWN_STREAMS as usize + 1)
        .enable_push(false)
        .handshake(socket);
    let (requests, connection) = handshake.await.map_err(io::Error::other)?;
    start(met, requests, connection, failure, terms).await
}

async fn start(
    met: Met,
    requests: SendRequest<Bytes>,
    mut connection: Connection<Socket<TlsStream<TcpStream>>, Bytes>,
    failure: Arc<OnceLock<ConnectionError>>,
    terms: Terms,
) -> io::Result<TcpConnection> {
    let (streams, incoming) = mpsc::unbounded_channel();
    let (record, records) = mpsc::unbounded_channel();
    let pings = connection.ping_pong().expect("nobody has taken it yet");
    let made = TcpConnection::new(met, Opener::Client(requests.clone()), incoming, record);
    let shared = made.shared();
    let driven = Arc::clone(shared);
    tokio::spawn(async move {
        drive(connection, &driven, &failure).await;
        driven.note_gone();
    });
    tokio::spawn(keep_alive(Arc::clone(shared), pings, terms.idle_timeout));
    // Where it is over already, its end says why.
    if let Some((send, recv)) = open(&requests, CONTROL, shared).await {
        start_control(shared, send, recv, records);
    }
    tokio::spawn(park(requests, Arc::clone(shared), streams, terms.max_streams));
    Ok(made)
}

/// Opens a stream. `None` where the connection is over.
pub(super) async fn open(
    requests: &SendRequest<Bytes>,
    path: &'static str,
    shared: &Arc<Shared>,
) -> Option<(TcpSend, TcpRecv)> {
    let (response, send) = request(requests, path).await?;
    let send = TcpSend::new(send, shared);
    let recv = TcpRecv::of_response(response, &send);
    Some((send, recv))
}

async fn request(
    requests: &SendRequest<Bytes>,
    path: &'static str,
) -> Option<(ResponseFuture, SendStream<Bytes>)> {
    let uri = format!("https://{HOST}{path}");
    let request = Request::post(uri).body(()).expect("the address is well formed");
    requests.clone().ready().await.ok()?.send_request(request, false).ok()
}

/// Keeps a stream open for the server to use, as long as it has not too many.
async fn park(
    requests: SendRequest<Bytes>,
    shared: Arc<Shared>,
    streams: mpsc::UnboundedSender<(TcpSend, TcpRecv)>,
    most: u32,
) {
    let places = Arc::new(Semaphore::new(most as usize));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Some((response, send)) = request(&requests, PARKED).await else { return };
        // The answer comes with the use that the server makes of it.
        let Ok(response) = response.await else { return };
        let mut send = TcpSend::new(send, &shared);
        send.place = Some(place);
        let recv = TcpRecv::new(response.into_body(), &send);
        if streams.send((send, recv)).is_err() {
            return;
        }
    }
}

async fn drive(
    mut connection: Connection<Socket<TlsStream<TcpStream>>, Bytes>,
    shared: &Shared,
    failure: &OnceLock<ConnectionError>,
) {
    loop {
        tokio::select! {
            biased;
            _ = &mut connection => {
                return shared.end(failure.get().cloned().unwrap_or(ConnectionError::Reset));
            }
            error = shared.ended() => {
                if matches!(error, ConnectionError::LocallyClosed) {
                    let _ = tokio::time::timeout(FAREWELL, connection).await;
                }
                return;
            }
            () = shared.admitted.notified() => connection.set_target_window_size(CONNECTION_WINDOW),
        }
    }
}

/// Stands where HTTP/2 has the name of a server. Peers are known by their certificates.
const HOST: &str = "vectr";
