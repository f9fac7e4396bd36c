//! TLS over TCP, and HTTP/2 by hand: frames that no library would send.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::briefly;
use super::quic::{Certificate, NAME};
use crate::attack::Target;

/// A socket that is connected from this address.
pub(super) async fn socket(source: IpAddr, remote: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(SocketAddr::new(source, 0)).ok()?;
    briefly(socket.connect(remote)).await?.ok()
}

/// A connection that has shown this certificate.
pub(super) async fn tls(target: &Target, certificate: &Certificate) -> Option<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(certificate.tls("h2")));
    let socket = socket(target.source(), target.remote).await?;
    briefly(connector.connect(ServerName::try_from(NAME).unwrap(), socket)).await?.ok()
}

/// As [`tls`], after the preface of HTTP/2 and its first frame.
pub(super) async fn http(target: &Target, certificate: &Certificate) -> Option<TlsStream<TcpStream>> {
    let mut stream = tls(target, certificate).await?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.ok()?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.ok()?;
    stream.flush().await.ok()?;
    Some(stream)
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(body);
    frame
}

/// The headers of a stream: POST, https, the path and the authority as literals.
pub(super) fn head(path: &str) -> Vec<u8> {
    let mut head = vec![0x83, 0x87, 0x04, path.len() as u8];
    head.extend(path.as_bytes());
    head.extend([0x01, 5]);
    head.extend(b"vectr");
    head
}

/// Reads until the other side has enough.
pub(super) async fn drain(mut stream: impl AsyncRead + Unpin) {
    let mut ignored = vec![0; 1 << 14];
    while matches!(stream.read(&mut ignored).await, Ok(1..)) {}
}

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const CONTROL: &str = "/vectr/1/control";
pub(super) const STREAM: &str = "/vectr/1/stream";
pub(super) const RESERVED: &str = "/vectr/1/parked";
