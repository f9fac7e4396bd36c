//! Clients and servers on bare rustls and h2 that admit everybody and read whatever they get.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::bare::{self, stranger};

pub const CONTROL: &str = "/vectr/1/control";
pub const STREAM: &str = "/vectr/1/stream";
pub const RESERVED: &str = "/vectr/1/parked";

/// A client that trusts any server.
pub struct BareTcp {
    requests: SendRequest<Bytes>,
}

impl BareTcp {
    /// Resolves once it speaks HTTP/2. The server may have refused it by then without its knowledge.
    pub async fn call(remote: SocketAddr) -> std::io::Result<Self> {
        let (requests, connection) =
            h2::client::handshake(tls(remote).await?).await.map_err(std::io::Error::other)?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { requests })
    }

    /// A connection that is driven already.
    pub const fn on(requests: SendRequest<Bytes>) -> Self {
        Self { requests }
    }

    pub async fn post(&self, path: &str) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let request = Request::post(format!("https://vectr{path}")).body(()).unwrap();
        self.requests.clone().ready().await?.send_request(request, false)
    }

    /// Writes on a stream, and reads it until it ends or breaks.
    pub async fn hear(&self, path: &str, opening: impl Into<Bytes>) -> Bytes {
        let Ok((response, mut send)) = self.post(path).await else { return Bytes::new() };
        let _ = send.send_data(opening.into(), path != CONTROL);
        match response.await {
            Ok(response) => read_all(response.into_body()).await,
            Err(_) => Bytes::new(),
        }
    }
}

pub async fn tls(remote: SocketAddr) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let (mut tls, _) = stranger();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(tls)).connect(name, TcpStream::connect(remote).await?).await
}

async fn read_all(mut body: RecvStream) -> Bytes {
    let mut whole = BytesMut::new();
    while let Some(Ok(bytes)) = body.data().await {
        let _ = body.flow_control().release_capacity(bytes.len());
        whole.extend_from_slice(&bytes);
    }
    whole.freeze()
}

/// A record of the control stream: the connection is closed.
pub fn closed(code: u32, reason: &str) -> Vec<u8> {
    [&[0][..], &code.to_le_bytes(), &[reason.len() as u8], reason.as_bytes()].concat()
}

/// A server that admits everybody and accepts every stream.
pub struct TcpSpy {
    pub address: SocketAddr,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TcpSpy {
    pub async fn new() -> Self {
        let mut tls = bare::server();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, listener, acceptor: TlsAcceptor::from(Arc::new(tls)) }
    }

    /// Takes the next connection.
    pub async fn accept(&self) -> Spied {
        let (socket, _) = self.listener.accept().await.unwrap();
        let tls = self.acceptor.accept(socket).await.unwrap();
        let mut connection = h2::server::handshake(tls).await.unwrap();
        let (note, noted) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let path = request.uri().path().to_owned();
                let Ok(send) = respond.send_response(Response::new(()), false) else { continue };
                let _ = note.send((path, send, request.into_body()));
            }
        });
        Spied { noted, aside: vec![] }
    }
}

/// A connection to a spy.
pub struct Spied {
    noted: mpsc::UnboundedReceiver<(String, SendStream<Bytes>, RecvStream)>,
    /// Streams that nobody asked for. Dropping them would reset them.
    aside: Vec<(String, SendStream<Bytes>, RecvStream)>,
}

impl Spied {
    /// All bytes of the next stream, and where to answer. `None` where the connection ends first.
    pub async fn record(&mut self) -> Option<(Bytes, SendStream<Bytes>)> {
        while let Some((path, send, recv)) = self.noted.recv().await {
            if path == STREAM {
                return Some((read_all(recv).await, send));
            }
            self.aside.push((path, send, recv));
        }
        None
    }

    /// What was said on the control stream until it ended.
    pub async fn control(&mut self) -> Bytes {
        let at = self.aside.iter().position(|(path, ..)| path == CONTROL).expect("it is the first stream");
        let (_, _send, recv) = self.aside.remove(at);
        read_all(recv).await
    }
}
