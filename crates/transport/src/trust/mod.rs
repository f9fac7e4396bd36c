//! Whom a node trusts, and what peers may do. Independent of how bytes are transported: it checks a certificate chain,
//! a value exported from the TLS session, and the peer's address.

mod authority;
mod certificate_files;
mod config;
mod credentials;
mod distrust;
mod handle;
mod peer_rights;
mod rights;
mod rules;
mod secret;
mod tls_file;

pub use config::{TlsConfig, TlsSecret};
pub(crate) use credentials::{Credentials, Role};
pub use distrust::Distrust;
pub use handle::{DangerousTrust, Trust};
pub use peer_rights::PeerRights;
pub use rights::{Access, Grant, Rights};
pub use rules::TrustRules;
pub(crate) use secret::{ClusterSecret, Exported, MAX_OFFER, Proven, exported_label};
pub use tls_file::TlsFile;
