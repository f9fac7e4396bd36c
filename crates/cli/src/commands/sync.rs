use serde::Serialize;
use vectr_core::{Config, VectrDB};
use vectr_delta::{NodeName, ShardId};
use vectr_sync::{CancellationToken, SyncConfig, SyncEngine, SyncOptions, SyncResult, node_name};

use crate::commands::arguments::SyncArguments;
use crate::console::report;
use crate::error::CliError;
use crate::table::{Table, bytes, duration, grouped, visible};

/// Syncs the shards one by one. Returns whether all syncs succeeded.
pub(crate) async fn sync(
    arguments: SyncArguments,
    json: bool,
    stop: CancellationToken,
) -> Result<bool, CliError> {
    let shards: Vec<ShardId> =
        arguments.shards.iter().map(|shard| ShardId::new(shard)).collect::<Result<_, _>>()?;
    let node = arguments.node_id.as_deref().map(NodeName::new).transpose()?;
    let mut config = Config::file(&arguments.db);
    config.node = node;
    let db = config.open()?;
    let network = arguments.network.config(db.path().unwrap_or(&arguments.db))?;
    let mut config = SyncConfig::default();
    config.max_retries(arguments.retries);
    let engine = SyncEngine::new(db.clone(), node_name(&db)?, config, network)?;
    let shards = if shards.is_empty() { shards_of(&db)? } else { shards };
    let results = sync_all(&engine, &arguments, &shards, &stop).await;
    engine.close().await;
    db.close()?;
    let outcome = Outcome::new(&arguments.peer, &results?);
    report(json, &outcome, text)?;
    Ok(outcome.success)
}

async fn sync_all(
    engine: &SyncEngine,
    arguments: &SyncArguments,
    shards: &[ShardId],
    stop: &CancellationToken,
) -> Result<Vec<SyncResult>, CliError> {
    let mut results = Vec::with_capacity(shards.len());
    for shard in shards {
        let mut options = SyncOptions::default();
        options.force = arguments.force;
        options.abort(stop.clone());
        results.push(engine.sync(shard, &arguments.peer, options).await?);
    }
    Ok(results)
}

fn shards_of(db: &VectrDB) -> Result<Vec<ShardId>, CliError> {
    let shards = db.shards()?;
    Ok(if shards.is_empty() { vec![db.default_shard().clone()] } else { shards })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    peer: String,
    success: bool,
    results: Vec<Synced>,
}

/// The fields of the package's `SyncResult`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Synced {
    shard_id: String,
    changes_sent: u64,
    changes_applied: u64,
    vectors_repaired: u64,
    conflicts_detected: u64,
    conflicts_resolved: u64,
    /// The ids.
    conflicts_unresolved: Vec<String>,
    bytes_sent: u64,
    bytes_received: u64,
    attempts: u32,
    duration_ms: u64,
    fallback: bool,
    warnings: Vec<String>,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    #[serde(skip)]
    took: std::time::Duration,
}

impl Outcome {
    fn new(peer: &str, results: &[SyncResult]) -> Self {
        Self {
            peer: peer.to_owned(),
            success: results.iter().all(SyncResult::is_success),
            results: results.iter().map(Synced::from).collect(),
        }
    }
}

impl From<&SyncResult> for Synced {
    fn from(result: &SyncResult) -> Self {
        Self {
            shard_id: result.shard.to_string(),
            changes_sent: result.changes_sent,
            changes_applied: result.changes_applied,
            vectors_repaired: result.vectors_repaired,
            conflicts_detected: result.conflicts_detected,
            conflicts_resolved: result.conflicts_resolved,
            conflicts_unresolved: result
                .conflicts_unresolved
                .iter()
                .map(|conflict| conflict.conflict.to_string())
                .collect(),
            bytes_sent: result.bytes_sent,
            bytes_received: result.bytes_received,
            attempts: result.attempts,
            duration_ms: u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
            fallback: result.fallback,
            warnings: result.warnings.clone(),
            success: result.is_success(),
            error: result.failure.as_ref().map(|failure| failure.message.clone()),
            error_code: result.failure.as_ref().map(|failure| failure.code.clone()),
            took: result.duration,
        }
    }
}

fn text(outcome: &Outcome) -> String {
    let mut table = Table::new(&[
        "SHARD",
        ">SENT",
        ">APPLIED",
        ">CONFLICTS",
        ">BYTES OUT",
        ">BYTES IN",
        ">TIME",
        "RESULT",
    ]);
    let mut remarks = String::new();
    for synced in &outcome.results {
        let result = synced.error_code.clone().unwrap_or_else(|| "ok".to_owned());
        let numbers = [synced.changes_sent, synced.changes_applied, synced.conflicts_detected].map(grouped);
        let sizes = [bytes(synced.bytes_sent), bytes(synced.bytes_received)];
        let shard = std::iter::once(synced.shard_id.clone());
        table.row(shard.chain(numbers).chain(sizes).chain([duration(synced.took), result]));
        let about = |remark: &String| format!("\n{}: {}", synced.shard_id, visible(remark));
        remarks.extend(synced.error.iter().chain(&synced.warnings).map(about));
        if !synced.conflicts_unresolved.is_empty() {
            remarks.push_str(&about(&format!(
                "{} conflicts wait for a decision",
                synced.conflicts_unresolved.len()
            )));
        }
    }
    if !remarks.is_empty() {
        remarks.push('\n');
    }
    format!("{}{remarks}", table.render())
}
