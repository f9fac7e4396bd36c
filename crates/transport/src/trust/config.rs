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

/// The configuration of identity and trust. When empty: the node's own certificate, and trust in this machine only
/// (loopback addresses). See [`TrustRules`] for how the parts combine.
///
/// Set the fields directly or by the methods of the same names.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TlsConfig {
    /// This node's certificate, followed by the chain to its authority. Default: a generated one.
    pub certificate: Option<TlsFile>,
    /// The key of the certificate: Ed25519, ECDSA P-256 or P-384, or RSA of at least 2,048 bits.
    pub key: Option<TlsFile>,
    /// The certificate authorities to trust.
    pub authority: Option<TlsFile>,
    /// Peers to trust by fingerprint. An empty list trusts no peer by fingerprint.
    pub pins: Option<Vec<Fingerprint>>,
    /// The cluster's secrets, one of which a peer has to prove that it knows. At most 8.
    pub secrets: Vec<TlsSecret>,
    /// What trusted peers may do with which shards. `None` grants everything.
    pub rights: Option<Rights>,
    /// Accepts any certificate on any network: everyone who reaches this node may read and write all its shards.
    pub dangerous_accept_any_peer: bool,
}

/// A cluster secret: 16 to 1,024 bytes, preferably random.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsSecret {
    /// The name of its option or variable, for errors.
    pub name: &'static str,
    /// The secret itself.
    pub text: String,
}

impl TlsConfig {
    /// Sets this node's certificate, followed by the chain to its authority.
    pub fn certificate(&mut self, certificate: TlsFile) -> &mut Self {
        self.certificate = Some(certificate);
        self
    }

    /// Sets the key of the certificate.
    pub fn key(&mut self, key: TlsFile) -> &mut Self {
        self.key = Some(key);
        self
    }

    /// Sets the certificate authorities to trust.
    pub fn authority(&mut self, authority: TlsFile) -> &mut Self {
        self.authority = Some(authority);
        self
    }

    /// Sets the peers to trust by fingerprint.
    pub fn pins(&mut self, pins: impl IntoIterator<Item = Fingerprint>) -> &mut Self {
        self.pins = Some(pins.into_iter().collect());
        self
    }

    /// Sets the cluster's secrets, one of which a peer has to prove that it knows.
    pub fn secrets(&mut self, secrets: Vec<TlsSecret>) -> &mut Self {
        self.secrets = secrets;
        self
    }

    /// Sets what trusted peers may do with which shards.
    pub fn rights(&mut self, rights: Rights) -> &mut Self {
        self.rights = Some(rights);
        self
    }

    /// Sets whether any certificate is accepted on any network. Default: false.
    pub const fn dangerous_accept_any_peer(&mut self, dangerous_accept_any_peer: bool) -> &mut Self {
        self.dangerous_accept_any_peer = dangerous_accept_any_peer;
        self
    }

    /// Reads the files and prepares the secrets. Blocks, for tens of milliseconds per secret. The identity is that of
    /// `certificate` and `key`, if given.
    ///
    /// # Errors
    /// `ERR_CONFIG` names the option or variable, and the file.
    pub fn load(&self) -> Result<(TrustRules, Option<Identity>), TransportError> {
        let identity = self.identity()?;
        let authority = self.authority.as_ref().map(|file| {
            Authority::new(&read_certificates(file)?)
                .map_err(|reason| file.refuse(&format!("a certificate in it cannot be used: {reason}")))
        });
        let rules = TrustRules {
            pins: self.pins.as_ref().map(|pins| pins.iter().copied().collect::<BTreeSet<_>>()),
            authority: authority.transpose()?,
            secrets: self.prepare_secrets()?,
            any_peer: self.dangerous_accept_any_peer,
            rights: self.rights.clone(),
        };
        Ok((rules, identity))
    }

    fn identity(&self) -> Result<Option<Identity>, TransportError> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => read_identity(certificate, key).map(Some),
            (None, None) => Ok(None),
            (Some(file), None) => Err(file.refuse("a certificate is of no use without its key: give both")),
            (None, Some(file)) => Err(file.refuse("a key is of no use without its certificate: give both")),
        }
    }

    fn prepare_secrets(&self) -> Result<Vec<ClusterSecret>, TransportError> {
        if let Some(surplus) = self.secrets.get(MAX_SECRETS) {
            return Err(TransportError::config(
                &surplus.name,
                &format!("at most {MAX_SECRETS} secrets at a time"),
            ));
        }
        let prepare = |secret: &TlsSecret| {
            ClusterSecret::new(&secret.text).map_err(|reason| TransportError::config(&secret.name, &reason))
        };
        self.secrets.iter().map(prepare).collect()
    }
}

impl fmt::Debug for TlsSecret {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsSecret({}, {} bytes)", self.name, self.text.len())
    }
}
