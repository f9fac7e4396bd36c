use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::network::NetworkArguments;

/// Inspect, verify, sync and serve shared vector shards.
///
/// A database is one file with any number of shards. Each node has an identity, a key and a certificate next to its
/// database; peers know it by the certificate's fingerprint. By default a node trusts peers on this machine only.
#[derive(Debug, Parser)]
#[command(name = "vectr", version, propagate_version = true, term_width = 100)]
#[command(after_help = EXIT_CODES, after_long_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Identity(IdentityArguments),
    Sync(SyncArguments),
    Status(StatusArguments),
    Verify(VerifyArguments),
    Serve(ServeArguments),
    Completions(CompletionsArguments),
}

/// Print this node's fingerprint, and the line for the other node's configuration
///
/// Creates the identity if there is none yet. It stays the same as long as its file does.
#[derive(Debug, Args)]
pub(crate) struct IdentityArguments {
    /// The database; its identity is in DB.key. For a folder to serve, in FOLDER/vectr.key. Default: this folder
    #[arg(value_name = "DB|FOLDER", conflicts_with = "db")]
    pub(crate) path: Option<PathBuf>,
    /// The same as DB|FOLDER
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
}

/// Exchange changes with another node
///
/// Afterwards both nodes have the same changes on disk. The exit code is 0 only if every shard was synced.
#[derive(Debug, Args)]
#[command(after_long_help = SYNC_EXAMPLES)]
pub(crate) struct SyncArguments {
    /// The database file; created if it does not exist
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    /// The other node: HOST, HOST:PORT or [IPV6]:PORT; the default port is 4433
    #[arg(value_name = "HOST:PORT")]
    pub(crate) peer: String,
    /// The shard to sync; may be repeated. Default: all shards of the file, or the default shard of a new file
    #[arg(long = "shard", value_name = "NAME")]
    pub(crate) shards: Vec<String>,
    /// The name of this node. Default: the name recorded in the file, else node-SITE; recorded at first use
    #[arg(long, value_name = "NAME")]
    pub(crate) node_id: Option<String>,
    /// Read the other node's changes from the beginning instead of from where the last sync ended
    #[arg(long)]
    pub(crate) force: bool,
    /// Maximum number of retries after a transient failure
    #[arg(long, value_name = "TIMES", default_value_t = 3)]
    pub(crate) retries: u32,
    #[command(flatten)]
    pub(crate) network: NetworkArguments,
}

/// Show the status of databases: shards, vectors, conflicts, and how far their peers are behind
///
/// Works while another process has a database open and where nothing may be written, and changes nothing. With several
/// files, the exit code is 0 only if all were read, and JSON is an array.
///
/// BEHIND counts the vectors whose current state the peer is not known to have. It is based on the peer's last report:
/// the peer may have received more from others since.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The database files
    #[arg(value_name = "DB", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// Verify every stored byte of files
///
/// Checks each version against the hash that was stored with it, the sum over all rows against the stored digest, and
/// the file's structure with SQLite's own check. Works while another process has the database open and where nothing may
/// be written, and changes nothing. The exit code is 0 only if no fault was found. With several files, JSON is an array.
///
/// With --repair the file is opened for writing if there are faults: digests are computed anew from the rows, and the
/// next sync fetches what was damaged or lost from the peer. No row is changed here.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The database files
    #[arg(value_name = "DB", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Prepare a file with faults for repair by the next sync; no other process may have it open
    #[arg(long)]
    pub(crate) repair: bool,
}

/// Answer other nodes' syncs, until SIGTERM or SIGINT
///
/// Serves all database files of a folder on one address, under one identity, each shard from the file that contains
/// it; a shard in two files is an error. A single file serves every shard, including new ones from peers.
///
/// On SIGTERM or SIGINT new syncs are refused, running ones may take --drain-seconds to end, and the exit code is 0. A
/// second signal exits at once.
#[derive(Debug, Args)]
#[command(after_long_help = SERVE_EXAMPLES)]
pub(crate) struct ServeArguments {
    /// A folder with database files, or one database file
    #[arg(value_name = "FOLDER|DB")]
    pub(crate) path: PathBuf,
    /// The address to serve syncs on: HOST, HOST:PORT or [IPV6]:PORT; port 0 for any free one. Default: 127.0.0.1:4433
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// The loopback address to serve /healthz, /readyz and /metrics on over HTTP
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:4434")]
    pub(crate) http: String,
    /// Serve no HTTP
    #[arg(long, conflicts_with = "http")]
    pub(crate) no_http: bool,
    /// How long running syncs may take to end when draining
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) drain_seconds: u32,
    /// The name of this node. Default: the name recorded in each file, else node-SITE; recorded at first use
    #[arg(long, value_name = "NAME")]
    pub(crate) node_id: Option<String>,
    #[command(flatten)]
    pub(crate) network: NetworkArguments,
}

/// Print a completion script for a shell
///
/// For bash: vectr completions bash > /etc/bash_completion.d/vectr
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// Which shell
    pub(crate) shell: Shell,
}

const EXIT_CODES: &str = "Exit codes: 0 all went well, 1 it did not, 2 wrong arguments, 130 interrupted.";

const EXAMPLES: &str = "\
Examples:
  vectr identity agent.db                  the fingerprint that others pin
  vectr sync agent.db hub.example:4433     exchange all shards with another node
  vectr status agent.db                    shards, peers and how far they are behind
  vectr verify agent.db                    every stored byte against its hash
  vectr serve /srv/shards --listen 0.0.0.0 --pin 1f0c...
  vectr completions bash                   a completion script

Exit codes: 0 all went well, 1 it did not, 2 wrong arguments, 130 interrupted.";

const SYNC_EXAMPLES: &str = "\
Examples:
  vectr sync agent.db 127.0.0.1:4433
  vectr sync agent.db hub.example --shard notes --shard papers --pin 1f0c...
  vectr sync agent.db hub.example --json | jq .results";

const SERVE_EXAMPLES: &str = "\
Examples:
  vectr serve agent.db
  vectr serve /srv/shards --listen 0.0.0.0:4433 --http 127.0.0.1:4434 --pin 1f0c... --pin 9ab2...
  curl http://127.0.0.1:4434/metrics";
