use serde::Serialize;
use vectr_core::{Inspection, Overview, PeerLag, ShardOverview};
use vectr_delta::Timestamp;

use crate::commands::arguments::StatusArguments;
use crate::commands::each_file::{Answer, report_each};
use crate::error::CliError;
use crate::table::{Table, bytes, grouped, time, visible};

/// Returns whether all files were read.
pub(crate) fn status(arguments: &StatusArguments, json: bool) -> Result<bool, CliError> {
    report_each(&arguments.files, json, |file| {
        let overview = Inspection::open(file)?.overview()?;
        Ok(Answer { document: Status::from(&overview), text: text(&overview), success: true })
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    path: String,
    bytes: u64,
    node_id: Option<String>,
    site: String,
    default_shard: String,
    shards: Vec<Shard>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shard {
    shard_id: String,
    vectors: u64,
    dimensions: Option<u32>,
    strategy: String,
    concurrent: u64,
    conflicts_unresolved: u64,
    current_change_id: u64,
    digest: String,
    /// Microseconds; null: never.
    last_sync_at: Option<u64>,
    peers: Vec<Peer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Peer {
    fingerprint: String,
    node_id: String,
    last_contact: u64,
    changes_behind: u64,
}

impl From<&Overview> for Status {
    fn from(overview: &Overview) -> Self {
        Self {
            path: path(overview),
            bytes: overview.bytes,
            node_id: overview.node.as_ref().map(ToString::to_string),
            site: overview.site.to_string(),
            default_shard: overview.default_shard.to_string(),
            shards: overview.shards.iter().map(Shard::from).collect(),
        }
    }
}

impl From<&ShardOverview> for Shard {
    fn from(shard: &ShardOverview) -> Self {
        let synced = (shard.last_sync_at > Timestamp::default()).then(|| shard.last_sync_at.as_micros());
        Self {
            shard_id: shard.shard.to_string(),
            vectors: shard.vectors,
            dimensions: shard.dimensions.map(u32::from),
            strategy: shard.strategy.to_string(),
            concurrent: shard.concurrent,
            conflicts_unresolved: shard.unresolved,
            current_change_id: shard.change_id,
            digest: shard.digest.to_string(),
            last_sync_at: synced,
            peers: shard.peers.iter().map(Peer::from).collect(),
        }
    }
}

impl From<&PeerLag> for Peer {
    fn from(lag: &PeerLag) -> Self {
        Self {
            fingerprint: lag.peer.to_string(),
            node_id: lag.node.to_string(),
            last_contact: lag.noted_at.as_micros(),
            changes_behind: lag.changes,
        }
    }
}

fn text(overview: &Overview) -> String {
    let node = overview.node.as_ref().map_or_else(|| "unnamed".to_owned(), ToString::to_string);
    let head = format!(
        "{}  {}  node {}, site {}\n",
        path(overview),
        bytes(overview.bytes),
        visible(&node),
        overview.site
    );
    if overview.shards.is_empty() {
        return format!("{head}\nno shards: nothing has been written yet\n");
    }
    let peers = peers(overview);
    let peers = if peers.is_empty() { "no peers: never synced\n".to_owned() } else { peers };
    format!("{head}\n{}\n{peers}", shards(overview))
}

fn shards(overview: &Overview) -> String {
    let mut table =
        Table::new(&["SHARD", ">VECTORS", ">DIMENSIONS", "STRATEGY", ">CONFLICTS", "LAST SYNC (UTC)"]);
    for shard in &overview.shards {
        let dimensions = shard.dimensions.map_or_else(|| "-".to_owned(), |dimensions| dimensions.to_string());
        table.row([
            shard.shard.to_string(),
            grouped(shard.vectors),
            dimensions,
            shard.strategy.to_string(),
            grouped(shard.unresolved),
            time(shard.last_sync_at),
        ]);
    }
    table.render()
}

fn peers(overview: &Overview) -> String {
    let mut table = Table::new(&["PEER", "FINGERPRINT", "SHARD", ">BEHIND", "LAST CONTACT (UTC)"]);
    let all = overview.shards.iter().flat_map(|shard| shard.peers.iter().map(move |peer| (shard, peer)));
    let mut any = false;
    for (shard, lag) in all {
        any = true;
        let fingerprint: String = lag.peer.to_string().chars().take(16).collect();
        table.row([
            lag.node.to_string(),
            format!("{fingerprint}..."),
            shard.shard.to_string(),
            grouped(lag.changes),
            time(lag.noted_at),
        ]);
    }
    if any { table.render() } else { String::new() }
}

fn path(overview: &Overview) -> String {
    overview.path.as_deref().map_or_else(String::new, |path| path.display().to_string())
}
