//! A client over TCP that records every byte, and every byte inside TLS.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::frames::note_http2;
use super::heard::Recording;

/// Sends these bytes without TLS, and records until the node closes.
pub(crate) async fn throw(server: SocketAddr, bytes: &[u8], recording: &Recording) {
    let mut socket = connect(server, recording).await;
    let _ = socket.write_all(bytes).await;
    let _ = socket.shutdown().await;
    let ended = socket.read_to_end(&mut Vec::new()).await;
    recording
        .note(|heard| heard.end = ended.map_or_else(|error| error.kind().to_string(), |_| "closed".into()));
}

/// Sends these bytes inside TLS, and records until the node closes or `enough` holds.
pub(crate) async fn talk(
    server: SocketAddr,
    tls: &rustls::ClientConfig,
    alpn: &str,
    name: &str,
    bytes: &[u8],
    recording: &Recording,
    enough: impl Fn() -> bool,
) {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let socket = connect(server, recording).await;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let ended = match TlsConnector::from(Arc::new(tls)).connect(name, socket).await {
        Err(error) => error.to_string(),
        Ok(mut stream) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.flush().await;
            let mut read = vec![0; 1 << 16];
            loop {
                if enough() {
                    break "heard enough".to_owned();
                }
                match stream.read(&mut read).await {
                    Ok(0) => break "closed".to_owned(),
                    Ok(length) => recording.note(|heard| heard.inside.extend_from_slice(&read[..length])),
                    Err(error) => break error.to_string(),
                }
            }
        }
    };
    recording.note(|heard| {
        heard.end = ended;
        note_http2(heard, 1);
    });
}

/// What a client of HTTP/2 begins with, and one stream of each kind with a first piece on it.
pub(crate) fn requests(opening: &[u8]) -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frame(1, 4, 1, &head("/vectr/1/control")));
    bytes.extend(frame(1, 4, 3, &head("/vectr/1/stream")));
    bytes.extend(frame(0, 0, 3, opening));
    bytes.extend(frame(1, 4, 5, &head("/vectr/1/parked")));
    bytes.extend(frame(1, 5, 7, &head("/")));
    bytes
}

fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(body);
    frame
}

/// `POST`, `https`, the path and the authority as literals.
fn head(path: &str) -> Vec<u8> {
    [&[0x83, 0x87, 0x04, path.len() as u8][..], path.as_bytes(), &[0x01, 5], b"vectr"].concat()
}

async fn connect(server: SocketAddr, recording: &Recording) -> Tap {
    Tap { socket: TcpStream::connect(server).await.unwrap(), recording: recording.clone() }
}

/// A socket whose bytes are recorded as they are read.
struct Tap {
    socket: TcpStream,
    recording: Recording,
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let Self { socket, recording } = self.get_mut();
        let before = bytes.filled().len();
        ready!(Pin::new(socket).poll_read(cx, bytes))?;
        recording.note(|heard| heard.clear.extend_from_slice(&bytes.filled()[before..]));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
