use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use vectr_delta::Fingerprint;

use crate::tls::identity::sha256;

/// The certificates that a peer presented, its own first. TLS has verified that it holds the key of its own.
#[derive(Clone)]
pub(crate) struct Credentials {
    chain: Arc<[CertificateDer<'static>]>,
    fingerprint: Fingerprint,
    role: Role,
}

/// The peer's side of the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// The peer connected to this node.
    Client,
    /// This node connected to the peer.
    Server,
}

impl Credentials {
    /// `None` if there is no certificate, or more than [`MAX_CHAIN`].
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

    /// The certificates between the peer's and an authority's.
    pub(crate) fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.chain[1..]
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// The longest chain of certificates that is accepted.
const MAX_CHAIN: usize = 8;
