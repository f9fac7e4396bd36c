//! Network and trust configuration from arguments and environment.

use std::path::{Path, PathBuf};

use clap::Args;
use vectr_sync::NetworkConfig;
use vectr_transport::{Environment, TlsConfig, TlsFile};

use crate::error::CliError;

#[derive(Debug, Args)]
#[command(next_help_heading = "Trust")]
pub(crate) struct NetworkArguments {
    /// The fingerprint of a peer to trust; may be repeated. Without pins and an authority, only peers on this machine
    /// are trusted. Default: $QUIC_PINNED_FINGERPRINTS, separated by commas
    #[arg(long = "pin", value_name = "FINGERPRINT")]
    pub(crate) pins: Vec<String>,
    /// The certificate authorities to trust, PEM. Default: $QUIC_CA_PATH
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// This node's certificate, PEM. Default: $QUIC_CERT_PATH, else the one of its identity (see --identity)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of that certificate, PEM. Default: $QUIC_KEY_PATH
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// The file of this node's own key and certificate; created if it does not exist. Default: DB.key, or vectr.key in
    /// a folder
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Let anyone who can reach this node read and write all its shards
    #[arg(long)]
    pub(crate) dangerous_accept_any_peer: bool,
}

impl NetworkArguments {
    /// The configuration of an engine for `served`, a database file or a folder of them. An argument overrides the
    /// environment, which overrides the default. A secret comes from the environment only: other users of the machine
    /// can see arguments.
    pub(crate) fn config(&self, served: &Path) -> Result<NetworkConfig, CliError> {
        let environment = Environment::current()?;
        let file = |name, path: &Option<PathBuf>| path.clone().map(|path| TlsFile { name, path });
        let pins = self.pins.iter().map(|pin| pin.parse()).collect::<Result<Vec<_>, _>>()?;
        let mut given = TlsConfig::default();
        given.dangerous_accept_any_peer(self.dangerous_accept_any_peer);
        given.certificate = file("--cert", &self.cert);
        given.key = file("--key", &self.key);
        given.authority = file("--ca", &self.ca);
        given.pins = (!pins.is_empty()).then_some(pins);
        let mut network = NetworkConfig::default();
        network
            .identity(self.identity.clone().unwrap_or_else(|| identity_file(served)))
            .endpoint(environment.endpoint())
            .tls(environment.tls(given));
        Ok(network)
    }
}

/// The address to listen on for syncs.
pub(crate) fn listen_address(given: Option<&str>) -> Result<String, CliError> {
    Ok(match given {
        Some(given) => given.to_owned(),
        None => Environment::current()?.listen_address(None, None),
    })
}

/// The identity file of a database file, or of a folder to serve.
pub(crate) fn identity_file(served: &Path) -> PathBuf {
    if served.is_dir() {
        return served.join("vectr.key");
    }
    // The same file that an engine of this database uses.
    let file = std::fs::canonicalize(served).unwrap_or_else(|_| served.to_owned());
    let mut name = file.into_os_string();
    name.push(".key");
    name.into()
}
