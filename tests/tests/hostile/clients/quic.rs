//! QUIC by hand: a client that trusts any server, and proves the cluster's secret where it plays a member.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, TransportConfig};
use ring::{hmac, pbkdf2};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::briefly;
use crate::attack::Target;
use crate::scene::{SECRET, Trusted};

/// Made by the client itself.
pub(crate) struct Certificate {
    pub(crate) chain: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        Self { chain: certificate.der().clone(), key: key.serialize_der() }
    }

    /// A configuration that shows it, and trusts any server.
    pub(super) fn tls(&self, alpn: &str) -> ClientConfig {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer))
            .with_client_auth_cert(vec![self.chain.clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        tls
    }
}

/// A connection, and the endpoint that it lives on.
pub(super) struct Connected {
    pub(super) connection: Connection,
    _endpoint: Endpoint,
}

/// Where connections from `source` begin.
pub(super) fn endpoint(source: IpAddr, tls: ClientConfig, transport: TransportConfig) -> Option<Endpoint> {
    let mut endpoint = Endpoint::client(SocketAddr::new(source, 0)).ok()?;
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    config.transport_config(Arc::new(transport));
    endpoint.set_default_client_config(config);
    Some(endpoint)
}

/// A connection of somebody whom the hub does not know.
pub(super) async fn outsider(target: &Target) -> Option<Connected> {
    let tls = Certificate::new().tls(VECTR);
    let endpoint = endpoint(target.source(), tls, TransportConfig::default())?;
    let connection = briefly(endpoint.connect(target.remote, NAME).unwrap()).await?.ok()?;
    Some(Connected { connection, _endpoint: endpoint })
}

/// A connection of a member with all rights.
pub(super) async fn member(target: &Target) -> Option<Connected> {
    member_with(target, TransportConfig::default()).await
}

/// As [`member`], with windows and the like of its own.
pub(super) async fn member_with(target: &Target, transport: TransportConfig) -> Option<Connected> {
    let tls = target.member().tls(VECTR);
    let endpoint = endpoint(target.source(), tls, transport)?;
    let connection = briefly(endpoint.connect(target.remote, NAME).unwrap()).await?.ok()?;
    if target.trusted == Trusted::BySecret {
        briefly(prove(&connection)).await??;
    }
    Some(Connected { connection, _endpoint: endpoint })
}

/// As `docs/protocol.md` says, *Proof of the cluster's secret*.
async fn prove(connection: &Connection) -> Option<()> {
    let mut exported = [0; 32];
    connection.export_keying_material(&mut exported, b"EXPORTER-vectr-1-cluster-secret", b"").ok()?;
    let proof = hmac::sign(key(), &[&b"vectr/1 caller"[..], &exported].concat());
    let (mut send, mut recv) = connection.open_bi().await.ok()?;
    send.write_all(&[&[3, 1], proof.as_ref()].concat()).await.ok()?;
    send.finish().ok()?;
    (recv.read_to_end(1024).await.ok()?.len() == 33).then_some(())
}

fn key() -> &'static hmac::Key {
    static KEY: OnceLock<hmac::Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let (mut stretched, rounds) = ([0; 32], NonZeroU32::new(100_000).unwrap());
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            b"vectr/1 cluster secret",
            SECRET.as_bytes(),
            &mut stretched,
        );
        hmac::Key::new(hmac::HMAC_SHA256, &stretched)
    })
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

pub(super) const VECTR: &str = "vectr/1";
pub(super) const NAME: &str = "localhost";
