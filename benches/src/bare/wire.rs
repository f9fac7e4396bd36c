use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::udp::UdpSocketState;
use quinn::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::NoClientAuth;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

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
        Self::with(Arc::new(NoClientAuth))
    }

    /// As [`Self::start`], for clients that show certificates.
    pub(super) fn start_for_certificates() -> Result<Self, BenchError> {
        Self::with(Arc::new(AnyCertificate))
    }

    fn with(clients: Arc<dyn ClientCertVerifier>) -> Result<Self, BenchError> {
        let (certificate, key) = self_signed()?;
        let server = server(clients, certificate.clone(), key, Arc::new(transport()))?;
        let (endpoint, address) = bind(Some(server))?;
        Ok(Self { endpoint, address, certificate })
    }

    /// What the other end needs, without blanks: address and certificate.
    pub(super) fn invitation(&self) -> String {
        self.certificate.iter().fold(format!("{}/", self.address), |text, byte| text + &format!("{byte:02x}"))
    }
}

/// The address and the certificate of an invitation.
pub(super) fn invited(invitation: &str) -> Result<(SocketAddr, CertificateDer<'static>), BenchError> {
    let (address, certificate) = invitation.split_once('/').ok_or("no invitation")?;
    let byte = |at| u8::from_str_radix(&certificate[at..at + 2], 16);
    let certificate = (0..certificate.len()).step_by(2).map(byte).collect::<Result<Vec<u8>, _>>()?;
    Ok((address.parse()?, CertificateDer::from(certificate)))
}

/// A new certificate, and its key.
pub(super) fn self_signed() -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), BenchError> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let certificate = rcgen::CertificateParams::new(vec![SERVER.to_owned()])?.self_signed(&key)?;
    Ok((certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

/// Has each client prove its key, and knows none of them.
#[derive(Debug)]
struct AnyCertificate;

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Connects with the one who listens; the connection lives as long as its endpoint.
pub(super) async fn dial(
    address: SocketAddr,
    certificate: CertificateDer<'static>,
) -> Result<(Endpoint, quinn::Connection), BenchError> {
    dial_as(None, address, certificate).await
}

/// As [`dial`], with a certificate of its own.
pub(super) async fn dial_as(
    own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
) -> Result<(Endpoint, quinn::Connection), BenchError> {
    let (mut dialler, _) = bind(None)?;
    dialler.set_default_client_config(client(own, certificate, Arc::new(transport()))?);
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
    clients: Arc<dyn ClientCertVerifier>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    transport: Arc<TransportConfig>,
) -> Result<ServerConfig, BenchError> {
    let tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate], key)?;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config.transport_config(transport);
    Ok(config)
}

fn client(
    own: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    certificate: CertificateDer<'static>,
    transport: Arc<TransportConfig>,
) -> Result<ClientConfig, BenchError> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate)?;
    let tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots);
    let tls = match own {
        Some((certificate, key)) => tls.with_client_auth_cert(vec![certificate], key)?,
        None => tls.with_no_client_auth(),
    };
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
