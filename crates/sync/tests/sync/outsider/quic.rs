//! A client over QUIC that records every datagram, and every packet decrypted.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::crypto::{
    ClientConfig, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, Session,
};
use quinn::{ConnectError, ConnectionId, Side};
use quinn_proto::TransportError;
use quinn_proto::transport_parameters::TransportParameters;
use tokio::net::UdpSocket;

use super::frames::{note_packet, outline_of_handshake};
use super::heard::Recording;

/// A client whose connections record into what it is given.
pub(crate) struct Client {
    endpoint: quinn::Endpoint,
    tls: Arc<QuicClientConfig>,
}

impl Client {
    pub(crate) fn new(mut tls: rustls::ClientConfig, alpn: &str) -> Self {
        tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        tls.enable_early_data = true;
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { endpoint, tls: Arc::new(QuicClientConfig::try_from(tls).unwrap()) }
    }

    /// Calls `server` by this name.
    pub(crate) async fn call(
        &self,
        server: SocketAddr,
        name: &str,
        recording: &Recording,
    ) -> quinn::Connecting {
        let crypto = Recorder { inner: Arc::clone(&self.tls), recording: recording.clone() };
        let config = quinn::ClientConfig::new(Arc::new(crypto));
        let relay = relay(server, recording.clone()).await;
        self.endpoint.connect_with(config, relay, name).unwrap()
    }
}

/// Writes this on a stream, and reads every stream, with whatever comes on it, until the connection ends.
pub(crate) async fn listen(connection: &quinn::Connection, opening: &[u8], recording: &Recording) {
    let own = async {
        let Ok((mut send, mut recv)) = connection.open_bi().await else { return };
        let _ = send.write_all(opening).await;
        let _ = send.finish();
        while let Ok(Some(chunk)) = recv.read_chunk(usize::MAX, true).await {
            recording.note(|heard| heard.application.extend_from_slice(&chunk.bytes));
        }
    };
    let others = async {
        while let Ok((_, mut recv)) = connection.accept_bi().await {
            let bytes = recv.read_to_end(1 << 20).await.unwrap_or_default();
            recording.note(|heard| heard.application.extend_from_slice(&bytes));
        }
    };
    tokio::join!(own, others, connection.closed());
    finish(recording);
}

pub(crate) fn finish(recording: &Recording) {
    recording.note(|heard| heard.outline.extend(outline_of_handshake(&heard.handshake)));
}

/// Sends these datagrams, and returns the answer to the last one. Records the others.
pub(crate) async fn throw(server: SocketAddr, datagrams: &[Vec<u8>], recording: &Recording) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for datagram in datagrams {
        socket.send_to(datagram, server).await.unwrap();
    }
    let mut answer = vec![0; 1 << 16];
    loop {
        let length = socket.recv(&mut answer).await.unwrap();
        recording.note(|heard| heard.clear.extend_from_slice(&answer[..length]));
        // The version of a negotiation.
        if answer[0] & 0x80 != 0 && answer[1..5] == [0; 4] {
            answer.truncate(length);
            return answer;
        }
    }
}

/// Forwards the datagrams of one caller in both directions, and records those of the server.
async fn relay(server: SocketAddr, recording: Recording) -> SocketAddr {
    let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = front.local_addr().unwrap();
    back.connect(server).await.unwrap();
    tokio::spawn(async move {
        let (mut ahead, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let mut caller = None;
        loop {
            tokio::select! {
                Ok((length, from)) = front.recv_from(&mut ahead) => {
                    caller = Some(from);
                    let _ = back.send(&ahead[..length]).await;
                }
                Ok(length) = back.recv(&mut answer) => {
                    recording.note(|heard| heard.clear.extend_from_slice(&answer[..length]));
                    if let Some(caller) = caller {
                        let _ = front.send_to(&answer[..length], caller).await;
                    }
                }
            }
        }
    });
    address
}

/// TLS whose messages and packets are recorded as they are read.
struct Recorder {
    inner: Arc<QuicClientConfig>,
    recording: Recording,
}

impl ClientConfig for Recorder {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let inner = Arc::clone(&self.inner).start_session(version, name, parameters)?;
        Ok(Box::new(Recorded { inner, recording: self.recording.clone() }))
    }
}

struct Recorded<T: ?Sized> {
    recording: Recording,
    inner: Box<T>,
}

impl Recorded<dyn Session> {
    fn key(&self, inner: Box<dyn PacketKey>) -> Box<dyn PacketKey> {
        Box::new(Recorded { inner, recording: self.recording.clone() })
    }

    fn keys(&self, keys: Keys) -> Keys {
        let KeyPair { local, remote } = keys.packet;
        Keys { packet: KeyPair { local, remote: self.key(remote) }, ..keys }
    }
}

impl Session for Recorded<dyn Session> {
    fn initial_keys(&self, id: &ConnectionId, side: Side) -> Keys {
        self.keys(self.inner.initial_keys(id, side))
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.inner.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.inner.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.inner.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.inner.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.inner.is_handshaking()
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        self.recording.note(|heard| heard.handshake.extend_from_slice(bytes));
        self.inner.read_handshake(bytes)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.inner.transport_parameters()
    }

    fn write_handshake(&mut self, bytes: &mut Vec<u8>) -> Option<Keys> {
        let keys = self.inner.write_handshake(bytes)?;
        Some(self.keys(keys))
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let KeyPair { local, remote } = self.inner.next_1rtt_keys()?;
        Some(KeyPair { local, remote: self.key(remote) })
    }

    fn is_valid_retry(&self, id: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.inner.is_valid_retry(id, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.inner.export_keying_material(output, label, context)
    }
}

impl PacketKey for Recorded<dyn PacketKey> {
    fn encrypt(&self, packet: u64, bytes: &mut [u8], header: usize) {
        self.inner.encrypt(packet, bytes, header);
    }

    fn decrypt(&self, packet: u64, header: &[u8], payload: &mut bytes::BytesMut) -> Result<(), CryptoError> {
        self.inner.decrypt(packet, header, payload)?;
        self.recording.note(|heard| note_packet(heard, payload));
        Ok(())
    }

    fn tag_len(&self) -> usize {
        self.inner.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.inner.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.inner.integrity_limit()
    }
}
