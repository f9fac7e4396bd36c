use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::udp::UdpSocketState;
use quinn::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::version::TLS13;

use crate::BenchError;

/// Two ends of one warm connection over loopback, with the settings that `vectr-transport` uses.
pub(super) struct Loopback {
    pub(super) client: quinn::Connection,
    pub(super) server: quinn::Connection,
    // The connections live as long as their endpoints.
    _endpoints: [Endpoint; 2],
}

/// One end that waits for the other, which may be in another process.
pub(super) struct Listening {
    pub(super) endpoint: Endpoint,
    pub(super) address: SocketAddr,
    pub(super) certificate: CertificateDer<'static>,
}

impl Loopback {
    pub(super) async fn connect() -> Result<Self, BenchError> {
        let Listening { endpoint: listener, address, certificate } = Listening::start()?;
        let accept = async { listener.accept().await.ok_or(quinn::ConnectionError::LocallyClosed)?.await };
        let (dialled, server) = tokio::join!(dial(address, certificate), accept);
        let (dialler, client) = dialled?;
        Ok(Self { client, server: server?, _endpoints: [listener, dialler] })
    }
}

impl Listening {
    pub(super) fn start() -> Result<Self, BenchError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let certificate = rcgen::CertificateParams::new(vec![SERVER.to_owned()])?.self_signed(&key)?;
        let certificate = certificate.der().clone();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let (endpoint, address) = bind(Some(server(certificate.clone(), key, Arc::new(transport()))?))?;
        Ok(Self { endpoint, address, certificate })
    }
}

/// Connects with the one who listens; the connection lives as long as its endpoint.
pub(super) async fn dial(
    address: SocketAddr,
    certificate: CertificateDer<'static>,
) -> Result<(Endpoint, quinn::Connection), BenchError> {
    let (mut dialler, _) = bind(None)?;
    dialler.set_default_client_config(client(certificate, Arc::new(transport()))?);
    let connection = dialler.connect(address, SERVER)?.await?;
    Ok((dialler, connection))
}

fn bind(server: Option<ServerConfig>) -> Result<(Endpoint, SocketAddr), BenchError> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let state = UdpSocketState::new((&socket).into())?;
    // The system may allow less.
    let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER);
    let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER);
    let address = socket.local_addr()?;
    let endpoint = Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime))?;
    Ok((endpoint, address))
}

fn server(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    transport: Arc<TransportConfig>,
) -> Result<ServerConfig, BenchError> {
    let tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(transport);
    Ok(config)
}

fn client(
    certificate: CertificateDer<'static>,
    transport: Arc<TransportConfig>,
) -> Result<ClientConfig, BenchError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate)?;
    let tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(transport);
    Ok(config)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .keep_alive_interval(Some(std::time::Duration::from_secs(10)))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(4 * 1024 * 1024))
        .receive_window(VarInt::from_u32(16 * 1024 * 1024))
        .send_window(16 * 1024 * 1024);
    transport
}

fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

const SERVER: &str = "localhost";
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
