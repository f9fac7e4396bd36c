use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerIncompatible,
    SignatureScheme,
};
use vectr_delta::Fingerprint;

use crate::trust::{Credentials, Role};
use crate::{Distrust, Trust};

/// Refuses untrusted certificates during the handshake, and verifies that the peer holds the key.
///
/// It does not know the peer's address, and rustls does not call it on resumption, so `Connection::admit` decides.
#[derive(Debug)]
pub(crate) struct PeerVerifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PeerVerifier {
    pub(crate) fn new(trust: Trust) -> Self {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        Self { trust, algorithms }
    }

    fn admit(
        &self,
        own: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        role: Role,
        now: UnixTime,
    ) -> Result<(), Error> {
        let all = std::iter::once(own).chain(chain).map(|certificate| certificate.clone().into_owned());
        let Some(peer) = Credentials::new(all.collect(), role) else {
            return Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure));
        };
        let refuse = |because| {
            let refused = RefusedCertificate { peer: peer.fingerprint(), because };
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused))))
        };
        self.trust.read(|rules| rules.may_admit(&peer, now)).map_err(refuse)
    }
}

/// The signature methods, which rustls declares identically for both sides of a connection.
macro_rules! verify_tls13_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(PeerIncompatible::Tls12NotOffered.into())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signature, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.admit(end_entity, intermediates, Role::Server, now).map(|()| ServerCertVerified::assertion())
    }

    verify_tls13_signatures!();
}

impl ClientCertVerifier for PeerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // The error travels to the client: it learns nothing of what this node trusts.
        let admitted = self.admit(end_entity, intermediates, Role::Client, now);
        let refused =
            |_| Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NotTrusted))));
        admitted.map(|()| ClientCertVerified::assertion()).map_err(refused)
    }

    verify_tls13_signatures!();
}

/// What a client hears that is refused. rustls formats it with `Debug`.
struct NotTrusted;

impl fmt::Debug for NotTrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NotTrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not trusted")
    }
}

impl std::error::Error for NotTrusted {}

/// Passed through rustls and quinn as text, which is all that quinn keeps of a local TLS error. rustls formats it with
/// `Debug`.
struct RefusedCertificate {
    peer: Fingerprint,
    because: Distrust,
}

impl fmt::Debug for RefusedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RefusedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{REFUSED_PREFIX}{} {}", self.peer, self.because)
    }
}

impl std::error::Error for RefusedCertificate {}

/// Parses what [`PeerVerifier`] refused, and why, from the text of quinn's error.
pub(crate) fn refused_certificate(reason: &str) -> (Option<Fingerprint>, Distrust) {
    let text = reason.split_once(REFUSED_PREFIX).map_or("", |(_, text)| text);
    let Some(peer) = text.get(..64).and_then(|digits| digits.parse().ok()) else {
        return (None, Distrust::Unknown);
    };
    let words = text[64..].trim_matches([' ', '(', ')']);
    let known = [Distrust::Unknown, Distrust::Expired].into_iter().find(|known| words == known.to_string());
    (Some(peer), known.unwrap_or_else(|| Distrust::Certificate(words.to_owned())))
}

const REFUSED_PREFIX: &str = "refused certificate ";
