//! How the command reaches peers, and whom it trusts: all that arguments and environment say of it comes together here.

use std::path::{Path, PathBuf};

use clap::Args;
use vectr_delta::Fingerprint;
use vectr_sync::NetworkConfig;
use vectr_transport::DEFAULT_PORT;

use crate::error::CliError;

#[derive(Debug, Args)]
#[command(next_help_heading = "Trust")]
pub(crate) struct NetworkArguments {
    /// The fingerprint of a peer to trust; may be repeated. Then no others are trusted.
    /// Default: $QUIC_PINNED_FINGERPRINTS, with commas between them, else peers on this machine only
    #[arg(long = "pin", value_name = "FINGERPRINT")]
    pub(crate) pins: Vec<String>,
    /// Where this node's key and certificate are kept; made where there are none.
    /// Default: DB.key, or vectr.key in a folder
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// Let anyone who reaches this node read and write all its shards
    #[arg(long)]
    pub(crate) dangerous_accept_any_peer: bool,
}

impl NetworkArguments {
    /// The configuration of an engine for `served`, a database file or a folder of them. An argument counts before the
    /// environment, and that before the default.
    pub(crate) fn config(&self, served: &Path) -> Result<NetworkConfig, CliError> {
        let identity = self.identity.clone().unwrap_or_else(|| identity_file(served));
        Ok(NetworkConfig {
            identity: Some(identity),
            pins: self.pins()?,
            dangerous_accept_any_peer: self.dangerous_accept_any_peer,
            ..NetworkConfig::default()
        })
    }

    fn pins(&self) -> Result<Option<Vec<Fingerprint>>, CliError> {
        if !self.pins.is_empty() {
            return Ok(Some(self.pins.iter().map(|pin| pin.parse()).collect::<Result<_, _>>()?));
        }
        let Some(listed) = variable(PINS)? else { return Ok(None) };
        let pins = listed.split(',').map(str::trim).filter(|pin| !pin.is_empty());
        let refuse = |error| CliError::Config { subject: PINS.to_owned(), reason: format!("{error}") };
        pins.map(|pin| pin.parse::<Fingerprint>().map_err(refuse)).collect::<Result<_, _>>().map(Some)
    }
}

/// Where syncs are answered.
pub(crate) fn listen_address(given: Option<&str>) -> String {
    given.map_or_else(|| format!("127.0.0.1:{DEFAULT_PORT}"), str::to_owned)
}

/// Where the identity of a database file, or of a folder that is served, is kept.
pub(crate) fn identity_file(served: &Path) -> PathBuf {
    if served.is_dir() {
        return served.join("vectr.key");
    }
    // The very file that an engine of this database takes.
    let file = std::fs::canonicalize(served).unwrap_or_else(|_| served.to_owned());
    let mut name = file.into_os_string();
    name.push(".key");
    name.into()
}

/// A variable that is set to something.
fn variable(name: &'static str) -> Result<Option<String>, CliError> {
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let refuse = |_| CliError::Config { subject: name.to_owned(), reason: "its value is no text".to_owned() };
    value.into_string().map(Some).map_err(refuse)
}

const PINS: &str = "QUIC_PINNED_FINGERPRINTS";
