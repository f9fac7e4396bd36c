use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::network::NetworkArguments;

/// Vector shards that agents share: look at them, check them, sync them, serve them.
///
/// A database is one file with any number of shards. Each node has an identity, a key and a certificate beside its
/// database; peers know it by the certificate's fingerprint. With nothing configured, a node talks to peers on this
/// machine only.
#[derive(Debug, Parser)]
#[command(name = "vectr", version, propagate_version = true, after_long_help = EXAMPLES, term_width = 100)]
pub(crate) struct Arguments {
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
/// The identity is made where there is none yet. It stays the same for as long as its file does.
#[derive(Debug, Args)]
pub(crate) struct IdentityArguments {
    /// The database whose identity it is, kept in FILE.key; for a folder that is served, FOLDER/vectr.key
    #[arg(long, value_name = "FILE", default_value = ".")]
    pub(crate) db: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// Exchange with another node what each lacks
///
/// Both nodes then hold the same, safe from a power cut. The exit code is 0 only if that is so for every shard.
#[derive(Debug, Args)]
#[command(after_long_help = SYNC_EXAMPLES)]
pub(crate) struct SyncArguments {
    /// The database file; made where there is none
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    /// The other node: HOST, HOST:PORT or [IPV6]:PORT; port 4433 where none is given
    #[arg(value_name = "HOST:PORT")]
    pub(crate) peer: String,
    /// The shard to sync; may be repeated. Default: all shards of the file, the default one of a new file
    #[arg(long = "shard", value_name = "NAME")]
    pub(crate) shards: Vec<String>,
    /// What this node is called. Default: what the file recorded, else node-SITE; recorded at the first use
    #[arg(long, value_name = "NAME")]
    pub(crate) node_id: Option<String>,
    /// Read the other node's changes from their beginning instead of from where the last sync ended
    #[arg(long)]
    pub(crate) force: bool,
    /// How often to try again where that can help
    #[arg(long, value_name = "TIMES", default_value_t = 3)]
    pub(crate) retries: u32,
    #[command(flatten)]
    pub(crate) network: NetworkArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// Show how a database stands: shards, vectors, conflicts, and how far its peers are behind
///
/// Works while another process has the database open, and changes nothing.
///
/// BEHIND counts the vectors whose present state the peer is not known to have. It is what the peer last said of itself:
/// it may have learnt more from others since.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// The database file
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// Check a file against its digest
///
/// Reads every stored byte: each version against the hash that it was written with, the sum over all rows against the
/// digest that is kept, and the file's structure as SQLite checks it. Works while another process has the database open,
/// and changes nothing. The exit code is 0 only if nothing is wrong.
#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The database file
    #[arg(value_name = "DB")]
    pub(crate) db: PathBuf,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// Answer other nodes' syncs, until SIGTERM or SIGINT
///
/// Of a folder, all database files in it are served on one address, under one identity, each shard from the file that
/// holds it; a shard in two files is refused. A single file answers for every shard, also for those that peers bring.
///
/// On SIGTERM or SIGINT no new sync begins, running ones have --drain-seconds to end, and the exit code is 0. A second
/// signal ends at once.
#[derive(Debug, Args)]
#[command(after_long_help = SERVE_EXAMPLES)]
pub(crate) struct ServeArguments {
    /// A folder with database files, or one database file
    #[arg(value_name = "FOLDER|DB")]
    pub(crate) path: PathBuf,
    /// Where to answer syncs: HOST, HOST:PORT or [IPV6]:PORT; port 0 for any free one. Default: 127.0.0.1:4433
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,
    /// Where to answer /healthz, /readyz and /metrics over HTTP; a loopback address
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:4434")]
    pub(crate) http: String,
    /// Answer no HTTP
    #[arg(long, conflicts_with = "http")]
    pub(crate) no_http: bool,
    /// How long running syncs may take to end
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) drain_seconds: u32,
    /// What this node is called. Default: what each file recorded, else node-SITE; recorded at the first use
    #[arg(long, value_name = "NAME")]
    pub(crate) node_id: Option<String>,
    #[command(flatten)]
    pub(crate) network: NetworkArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// Print a completion script for a shell
///
/// For bash: vectr completions bash > /etc/bash_completion.d/vectr
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// Which shell
    pub(crate) shell: Shell,
}

#[derive(Debug, Args)]
pub(crate) struct OutputArguments {
    /// Print JSON for programs instead of tables for people
    #[arg(long)]
    pub(crate) json: bool,
}

impl Command {
    /// Whether the result is for a program.
    pub(crate) const fn is_json(&self) -> bool {
        match self {
            Self::Identity(arguments) => arguments.output.json,
            Self::Sync(arguments) => arguments.output.json,
            Self::Status(arguments) => arguments.output.json,
            Self::Verify(arguments) => arguments.output.json,
            Self::Serve(arguments) => arguments.output.json,
            Self::Completions(_) => false,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  vectr identity --db agent.db             the fingerprint that others pin
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
