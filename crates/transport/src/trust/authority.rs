use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use super::credentials::{Credentials, Role};
use super::distrust::Distrust;

/// The certificates of one or more authorities. Every certificate that they issued for the peer's role is accepted,
/// whatever names it contains.
#[derive(Clone)]
pub(crate) struct Authority {
    anchors: Arc<[TrustAnchor<'static>]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Authority {
    /// Returns the reason if one of them is not a certificate.
    pub(crate) fn new(certificates: &[CertificateDer<'_>]) -> Result<Self, String> {
        let anchor = |certificate: &CertificateDer<'_>| {
            Ok(anchor_from_trusted_cert(certificate).map_err(|error| error.to_string())?.to_owned())
        };
        let anchors = certificates.iter().map(anchor).collect::<Result<Vec<_>, String>>()?;
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        Ok(Self { anchors: anchors.into(), algorithms })
    }

    /// Checks the signatures up to an authority, the dates, and the permitted usage: client authentication for a peer
    /// that connected, server authentication for one that was connected to.
    pub(crate) fn verify(&self, peer: &Credentials, now: UnixTime) -> Result<(), Distrust> {
        let usage = match peer.role() {
            Role::Client => KeyUsage::client_auth(),
            Role::Server => KeyUsage::server_auth(),
        };
        let own = EndEntityCert::try_from(peer.own()).map_err(|error| distrust(&error))?;
        let (algorithms, chain) = (self.algorithms.all, peer.intermediates());
        own.verify_for_usage(algorithms, &self.anchors, chain, now, usage, None, None)
            .map(drop)
            .map_err(|error| distrust(&error))
    }

    /// The DNS names in the certificate, in lower case, if it verifies. In any other certificate, the names are
    /// whatever its holder chose.
    pub(crate) fn names(&self, peer: &Credentials, now: UnixTime) -> BTreeSet<String> {
        if self.verify(peer, now).is_err() {
            return BTreeSet::new();
        }
        let Ok(own) = EndEntityCert::try_from(peer.own()) else { return BTreeSet::new() };
        own.valid_dns_names().map(str::to_ascii_lowercase).collect()
    }
}

fn distrust(error: &Error) -> Distrust {
    match error {
        Error::CertExpired { .. } => Distrust::Expired,
        // The second case is another authority with the same name.
        Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => {
            Distrust::Certificate("no configured authority issued it".to_owned())
        }
        Error::RequiredEkuNotFoundContext(_) => {
            Distrust::Certificate("its extended key usage does not allow this role".to_owned())
        }
        // The end of the message may quote the certificate, which the peer chose, at any length.
        error => Distrust::Certificate(error.to_string().chars().take(100).collect()),
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({} certificates)", self.anchors.len())
    }
}
