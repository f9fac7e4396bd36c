use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use vectr_delta::Fingerprint;

use crate::tls::identity::sha256;

/// The certificates that a peer has shown, its own first. TLS has proven that it holds the key of that one.
#[derive(Clone)]
pub(crate) struct Credentials {
    chain: Arc<[CertificateDer<'static>]>,
    fingerprint: Fingerprint,
    role: Role,
}

/// Which end of the connection the peer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// It called.
    Client,
    /// It was called.
    Server,
}

impl Credentials {
    /// `None` for no certificates, or more than anyone needs.
    pub(crate) fn new(chain: Vec<CertificateDer<'static>>, role: Role) -> Option<Self> {
        let fingerprint = sha256(chain.first()?);
        (chain.len() <= MAX_CHAIN).then(|| Self { chain: chain.into(), fingerprint, role })
    }

    /// SHA-256 of the peer's own certificate.
    pub(crate) const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn own(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// What leads from the peer's certificate to an authority.
    pub(crate) fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.chain[1..]
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// Certificates in a chain.
const MAX_CHAIN: usize = 8;
