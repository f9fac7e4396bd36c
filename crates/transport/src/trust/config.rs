use std::collections::BTreeSet;
use std::fmt;

use vectr_delta::Fingerprint;

use super::authority::Authority;
use super::certificate_files::{read_certificates, read_identity};
use super::rights::Rights;
use super::rules::TrustRules;
use super::secret::{ClusterSecret, MAX_SECRETS};
use super::tls_file::TlsFile;
use crate::{Identity, TransportError};

/// Whom to trust, and what to show, as a configuration says it. With nothing in it: this machine only (loopback
/// addresses), and the node's own certificate. See [`TrustRules`] for how the parts combine.
#[derive(Debug, Clone, Default)]
pub struct TlsConfig {
    /// This node's certificate, with those that lead from it to the authority behind it. Default: one of its own.
    pub certificate: Option<TlsFile>,
    /// The key of that certificate: Ed25519, ECDSA P-256 or P-384, or RSA from 2,048 bits.
    pub key: Option<TlsFile>,
    /// The authorities whose certificates are trusted.
    pub authority: Option<TlsFile>,
    /// Peers to trust by fingerprint. An empty list: nobody for that reason.
    pub pins: Option<Vec<Fingerprint>>,
    /// What members of the cluster have to prove that they know: one of these. At most 8.
    pub secrets: Vec<TlsSecret>,
    /// What trusted peers may do with which shards. `None`: everything.
    pub rights: Option<Rights>,
    /// Takes any certificate, on any network: whoever reaches this node may read and write all its shards.
    pub dangerous_accept_any_peer: bool,
}

/// A secret of the cluster: 16 to 1,024 bytes, best random ones.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsSecret {
    /// What it was given as, for errors.
    pub name: &'static str,
    /// The secret itself.
    pub text: String,
}

impl TlsConfig {
    /// Reads the files and prepares the secrets. Blocks, tens of milliseconds for each secret. The identity is the one
    /// of `certificate` and `key`, where they are given.
    ///
    /// # Errors
    /// `ERR_CONFIG` names the option or variable, and its file.
    pub fn load(&self) -> Result<(TrustRules, Option<Identity>), TransportError> {
        let identity = self.identity()?;
        let authority = self.authority.as_ref().map(|file| {
            Authority::new(&read_certificates(file)?)
                .map_err(|reason| file.refuse(&format!("a certificate in it cannot be used: {reason}")))
        });
        let rules = TrustRules {
            pins: self.pins.as_ref().map(|pins| pins.iter().copied().collect::<BTreeSet<_>>()),
            authority: authority.transpose()?,
            secrets: self.secrets()?,
            any_peer: self.dangerous_accept_any_peer,
            rights: self.rights.clone(),
        };
        Ok((rules, identity))
    }

    fn identity(&self) -> Result<Option<Identity>, TransportError> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => read_identity(certificate, key).map(Some),
            (None, None) => Ok(None),
            (Some(file), None) => {
                Err(file.refuse("a certificate without its key is of no use: give its key too"))
            }
            (None, Some(file)) => {
                Err(file.refuse("a key without its certificate is of no use: give that too"))
            }
        }
    }

    fn secrets(&self) -> Result<Vec<ClusterSecret>, TransportError> {
        if let Some(surplus) = self.secrets.get(MAX_SECRETS) {
            return Err(TransportError::config(&surplus.name, &format!("at most {MAX_SECRETS} at a time")));
        }
        let prepare = |secret: &TlsSecret| {
            ClusterSecret::new(&secret.text).map_err(|reason| TransportError::config(&secret.name, &reason))
        };
        self.secrets.iter().map(prepare).collect()
    }
}

impl fmt::Debug for TlsSecret {
    /// Never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsSecret({}, {} bytes)", self.name, self.text.len())
    }
}
