//! Whom a node talks to, and what about. None of it knows how bytes travel: what is checked is a chain of certificates,
//! a value exported from the TLS session, and where the peer is.

mod authority;
mod certificate_files;
mod config;
mod credentials;
mod handle;
mod rights;
mod rules;
mod secret;

pub use config::{TlsConfig, TlsFile, TlsSecret};
pub(crate) use credentials::{Credentials, Role};
pub use handle::{DangerousTrust, Trust};
pub use rights::{Access, Grant, PeerRights, Rights};
pub use rules::{Distrust, TrustRules};
pub(crate) use secret::{ClusterSecret, Exported, MAX_OFFER, Proven, exported_label};
