//! A client on bare quinn and rustls that trusts any server and reads whatever it gets.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use vectr_transport::Fingerprint;

pub struct BareClient {
    pub fingerprint: Fingerprint,
    endpoint: quinn::Endpoint,
}

impl BareClient {
    pub fn new() -> Self {
        Self::speaking("vectr/1")
    }

    pub fn speaking(alpn: &str) -> Self {
        let (tls, fingerprint) = stranger();
        Self { fingerprint, endpoint: endpoint(tls, alpn) }
    }

    pub fn without_certificate() -> Self {
        let endpoint = endpoint(builder().with_no_client_auth(), "vectr/1");
        Self { fingerprint: Fingerprint::new([0; 32]), endpoint }
    }

    pub fn call(&self, remote: SocketAddr) -> quinn::Connecting {
        self.endpoint.connect(remote, "localhost").unwrap()
    }

    pub fn close(&self) {
        self.endpoint.close(0u32.into(), b"");
    }
}

/// Writes on a stream and reads every stream and datagram until the connection is closed: the bytes that came, and
/// how it ended.
pub async fn listen_until_closed(connection: &quinn::Connection) -> (Vec<u8>, quinn::ConnectionError) {
    let own = async {
        let mut heard = Vec::new();
        while let Ok((mut send, mut recv)) = connection.open_bi().await {
            let _ = send.write_all(b"\0let me in").await;
            let _ = send.finish();
            while let Ok(Some(chunk)) = recv.read_chunk(usize::MAX, true).await {
                heard.extend_from_slice(&chunk.bytes);
            }
        }
        heard
    };
    let bidirectional = async {
        let mut heard = Vec::new();
        while let Ok((_, mut recv)) = connection.accept_bi().await {
            heard.extend(recv.read_to_end(1 << 20).await.unwrap_or_default());
        }
        heard
    };
    let unidirectional = async {
        let mut heard = Vec::new();
        while let Ok(mut recv) = connection.accept_uni().await {
            heard.extend(recv.read_to_end(1 << 20).await.unwrap_or_default());
        }
        heard
    };
    let datagrams = async {
        let mut heard = Vec::new();
        while let Ok(bytes) = connection.read_datagram().await {
            heard.extend_from_slice(&bytes);
        }
        heard
    };
    let (mut heard, more, yet_more, rest) = tokio::join!(own, bidirectional, unidirectional, datagrams);
    heard.extend(more.into_iter().chain(yet_more).chain(rest));
    (heard, connection.closed().await)
}

/// A client that shows a certificate which it has just made.
pub fn stranger() -> (rustls::ClientConfig, Fingerprint) {
    let (certificate, key) = certificate();
    let hash = ring::digest::digest(&ring::digest::SHA256, &certificate);
    let tls = builder().with_client_auth_cert(vec![certificate], key).unwrap();
    (tls, Fingerprint::new(hash.as_ref().try_into().unwrap()))
}

/// A server that asks for no certificate, and shows one which it has just made.
pub fn server() -> rustls::ServerConfig {
    let (certificate, key) = certificate();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    (certificate.der().clone(), private)
}

fn builder() -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer))
}

fn endpoint(mut tls: rustls::ClientConfig, alpn: &str) -> quinn::Endpoint {
    tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    tls.enable_early_data = true;
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let quic = QuicClientConfig::try_from(tls).unwrap();
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(quic)));
    endpoint
}

#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// An endpoint that refuses every connection.
pub fn refusing(address: SocketAddr) -> quinn::Endpoint {
    let mut tls = server();
    tls.alpn_protocols = vec![b"vectr/1".to_vec()];
    let quic = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(quic));
    let endpoint = quinn::Endpoint::server(config, address).unwrap();
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.accept().await {
            incoming.refuse();
        }
    });
    endpoint
}

/// A server on bare quinn and rustls that admits everybody.
pub struct BareServer {
    pub address: SocketAddr,
    endpoint: quinn::Endpoint,
    connection: tokio::sync::OnceCell<quinn::Connection>,
}

impl BareServer {
    pub fn new() -> Self {
        let mut tls = server();
        tls.alpn_protocols = vec![b"vectr/1".to_vec()];
        let quic = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(quic));
        let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = endpoint.local_addr().unwrap();
        Self { address, endpoint, connection: tokio::sync::OnceCell::new() }
    }

    /// Waits for the first bytes of the next stream, and writes these on it.
    pub async fn answer(&self, bytes: bytes::Bytes) {
        let (mut send, mut recv) = self.stream().await;
        let _ = recv.read_chunk(1 << 16, true).await;
        let _ = send.write_chunk(bytes).await;
        let _ = send.stopped().await;
    }

    /// Reads at most so many bytes of the next stream, and cuts it off in both directions.
    pub async fn cut(&self, read: usize) {
        self.cut_with(read, 7).await;
    }

    /// As [`BareServer::cut`], with this code.
    pub async fn cut_with(&self, read: usize, code: u32) {
        let (mut send, mut recv) = self.stream().await;
        if read > 0 {
            let _ = recv.read_chunk(read, true).await;
        }
        let _ = recv.stop(code.into());
        let _ = send.reset(code.into());
    }

    /// All bytes of the next stream, and where to answer.
    pub async fn record(&self) -> (Vec<u8>, quinn::SendStream) {
        let (send, mut recv) = self.stream().await;
        (recv.read_to_end(1 << 16).await.unwrap(), send)
    }

    /// What comes on the next stream, unless the connection ends first; and how it ends.
    pub async fn next_stream_or_end(&self) -> (Option<Vec<u8>>, quinn::ConnectionError) {
        let connection = self.connection.get().unwrap();
        let heard = match connection.accept_bi().await {
            Ok((_, mut recv)) => Some(recv.read_to_end(1 << 16).await.unwrap_or_default()),
            Err(_) => None,
        };
        (heard, connection.closed().await)
    }

    pub fn close(&self) {
        self.endpoint.close(0u32.into(), b"");
    }

    async fn stream(&self) -> (quinn::SendStream, quinn::RecvStream) {
        let accept = async || self.endpoint.accept().await.unwrap().await.unwrap();
        self.connection.get_or_init(accept).await.accept_bi().await.unwrap()
    }
}
