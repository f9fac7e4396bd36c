use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use quinn::ConnectionError;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connection::{Core, Opener, TcpConnection};
use super::control::{keep_alive, start_control};
use super::params::{
    ALPN, CONTROL, DATA_FRAME_BUDGET, INTERNAL_STREAMS, MAX_FRAME, RESERVED, SEND_BUFFER, TcpParams,
};
use super::socket::Socket;
use super::state::{ConnectionState, PeerHandshake};
use super::stream::{TcpRecv, TcpSend, open, request};
use crate::limits::{CLOSE_TIMEOUT, HEADER_LIST, STREAM_WINDOW};

/// Connects over TCP. No application data has been sent when it resolves.
///
/// # Errors
/// The error of TCP or TLS; [`super::handshake_error`] tells them apart.
pub(crate) async fn dial(
    remote: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    name: ServerName<'static>,
    label: &[u8],
    params: TcpParams,
) -> io::Result<TcpConnection> {
    let socket = TcpStream::connect(remote).await?;
    socket.set_nodelay(true)?;
    let stream = TlsConnector::from(tls).connect(name, socket).await?;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(ALPN) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not speak HTTP/2"));
    }
    let peer = PeerHandshake::of(session, remote, label)?;
    let (socket, failure) = Socket::new(stream);
    let mut settings = Builder::new();
    if !params.proof {
        settings.data_frame_budget(DATA_FRAME_BUDGET);
    }
    let handshake = settings
        .initial_window_size(STREAM_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(HEADER_LIST)
        // Until the server announces its limit, assume the least that every server allows.
        .initial_max_send_streams(INTERNAL_STREAMS as usize + 1)
        .enable_push(false)
        .handshake(socket);
    let (requests, connection) = handshake.await.map_err(io::Error::other)?;
    start(peer, requests, connection, failure, params).await
}

async fn start(
    peer: PeerHandshake,
    requests: SendRequest<Bytes>,
    mut connection: Connection<Socket<TlsStream<TcpStream>>, Bytes>,
    failure: Arc<OnceLock<ConnectionError>>,
    params: TcpParams,
) -> io::Result<TcpConnection> {
    // No more wait than there are permits.
    let (streams, incoming) = mpsc::channel(params.max_streams.max(1) as usize);
    let (record, records) = mpsc::unbounded_channel();
    let pings = connection.ping_pong().expect("it is taken only here");
    let state = Arc::new(ConnectionState::new(peer, record, params));
    let made = TcpConnection::new(Arc::clone(&state), Opener::Client(requests.clone()), incoming);
    let core = Arc::clone(made.core());
    tokio::spawn(async move {
        drive(connection, &core, &failure).await;
        core.state.mark_socket_closed();
    });
    tokio::spawn(keep_alive(Arc::clone(&state), pings, params.idle_timeout));
    // If the connection has already ended, its end says why.
    if let Some((send, recv)) = open(&requests, CONTROL, &state).await {
        start_control(&state, send, recv, records);
    }
    tokio::spawn(reserve_streams(requests, state, streams, params.max_streams));
    Ok(made)
}

/// Keeps one unused stream open for the server, up to the limit on the server's streams.
async fn reserve_streams(
    requests: SendRequest<Bytes>,
    state: Arc<ConnectionState>,
    streams: mpsc::Sender<(TcpSend, TcpRecv)>,
    most: u32,
) {
    let permits = Arc::new(Semaphore::new(most as usize));
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let Some((response, send)) = request(&requests, RESERVED).await else { return };
        // The response arrives when the server starts to use the stream.
        let Ok(response) = response.await else { return };
        let mut send = TcpSend::new(send, &state);
        send.permit = Some(permit);
        let recv = TcpRecv::new(response.into_body(), &send);
        if streams.send((send, recv)).await.is_err() {
            return;
        }
    }
}

async fn drive(
    mut connection: Connection<Socket<TlsStream<TcpStream>>, Bytes>,
    core: &Core,
    failure: &OnceLock<ConnectionError>,
) {
    let state = &core.state;
    loop {
        tokio::select! {
            biased;
            _ = &mut connection => {
                return state.end(failure.get().cloned().unwrap_or(ConnectionError::Reset));
            }
            error = state.ended() => {
                if matches!(error, ConnectionError::LocallyClosed | ConnectionError::TransportError(_)) {
                    let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection).await;
                }
                return;
            }
            () = state.resized.notified() => connection.set_target_window_size(state.window()),
        }
    }
}
