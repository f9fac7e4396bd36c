use std::fmt;
use std::sync::Arc;

use ring::digest;
use rustls::SignatureAlgorithm;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use vectr_delta::Fingerprint;

use crate::TransportError;

/// The identity of a node: a key and its certificate, which peers check. By default a node generates an Ed25519 key and
/// a self-signed certificate; an operator may supply others. Clones are the same identity.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    key: Arc<PrivateKeyDer<'static>>,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Generates an identity that is not stored.
    ///
    /// # Errors
    /// `ERR_CONFIG` if the system provides no randomness.
    pub fn ephemeral() -> Result<Self, TransportError> {
        Ok(NewIdentity::generate()?.identity)
    }

    /// SHA-256 of the certificate, which peers pin.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Combines a certificate and a key. Returns the reason if they are not an Ed25519 identity.
    pub(crate) fn from_der(
        certificate: CertificateDer<'static>,
        key: PrivatePkcs8KeyDer<'static>,
    ) -> Result<Self, String> {
        let identity = Self::from_chain(vec![certificate], PrivateKeyDer::Pkcs8(key))
            .map_err(|reason| format!("its key does not match its certificate: {reason}"))?;
        if identity.certified.key.algorithm() != SignatureAlgorithm::ED25519 {
            return Err("its key is not an Ed25519 key".to_owned());
        }
        Ok(identity)
    }

    /// An identity supplied by an operator; its own certificate comes first. Returns the reason if the key does not
    /// match the certificate, or is not supported.
    pub(crate) fn from_chain(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, String> {
        let fingerprint = sha256(chain.first().ok_or("there is no certificate")?);
        let provider = rustls::crypto::ring::default_provider();
        let certified =
            CertifiedKey::from_der(chain, key.clone_key(), &provider).map_err(|error| error.to_string())?;
        Ok(Self { certified: Arc::new(certified), key: Arc::new(key), fingerprint })
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    fn key_der(&self) -> &[u8] {
        self.key.secret_der()
    }

    /// Derives 32 bytes that only the holder of the key knows: stable across restarts, different for each purpose.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.key_der());
        let tag = ring::hmac::sign(&key, purpose.as_bytes());
        tag.as_ref().try_into().expect("an HMAC-SHA-256 tag has 32 bytes")
    }
}

impl fmt::Debug for Identity {
    /// Shows the fingerprint, never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// A new identity, and the PEM texts to store.
pub(crate) struct NewIdentity {
    pub(crate) identity: Identity,
    pub(crate) key_pem: String,
    pub(crate) certificate_pem: String,
}

impl NewIdentity {
    pub(crate) fn generate() -> Result<Self, TransportError> {
        let refuse = |error: rcgen::Error| TransportError::config(&"new identity", &error);
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).map_err(refuse)?;
        let mut parameters = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).map_err(refuse)?;
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "vectr node");
        let certificate = parameters.self_signed(&key).map_err(refuse)?;
        let key_der = PrivatePkcs8KeyDer::from(key.serialize_der());
        let identity = Identity::from_der(certificate.der().clone(), key_der)
            .map_err(|reason| TransportError::config(&"new identity", &reason))?;
        Ok(Self { identity, key_pem: key.serialize_pem(), certificate_pem: certificate.pem() })
    }
}

/// SHA-256. That of a certificate's DER is its fingerprint.
pub(crate) fn sha256(bytes: &[u8]) -> Fingerprint {
    let hash = digest::digest(&digest::SHA256, bytes);
    Fingerprint::new(hash.as_ref().try_into().expect("a SHA-256 value has 32 bytes"))
}
