use std::path::Path;

use serde::Serialize;
use vectr_core::{Config, Fault, Inspection, Oversized, PreparedShard, VectrDB, Verification, VerifiedShard};

use crate::commands::arguments::VerifyArguments;
use crate::commands::each_file::{Answer, report_each};
use crate::console::note;
use crate::error::CliError;
use crate::table::{Table, grouped, visible};

/// Verifies the files, and prepares those with faults for repair if that is wanted. Returns whether none has faults.
pub(crate) fn verify(arguments: &VerifyArguments, json: bool) -> Result<bool, CliError> {
    let several = arguments.files.len() > 1;
    report_each(&arguments.files, json, |file| {
        let answer = verify_file(file, arguments.repair)?;
        let head = if several { format!("{}\n\n", visible(&answer.document.path)) } else { String::new() };
        Ok(Answer { text: format!("{head}{}", answer.text), ..answer })
    })
}

/// What was found is reported even if the preparation fails.
fn verify_file(file: &Path, repair: bool) -> Result<Answer<Verified>, CliError> {
    let inspection = Inspection::open(file)?;
    let found = inspection.verify()?;
    let path = inspection.path().display().to_string();
    let attempt = (repair && !found.is_sound()).then(|| prepare(file)).transpose();
    let prepared = attempt.as_ref().ok().and_then(Option::as_deref).unwrap_or_default();
    let way_out = match &attempt {
        Err(_) => {
            "the file could not be prepared for repair, for the reason on standard error; or restore a backup"
        }
        Ok(None) => {
            "--repair lets the next sync fetch damaged and lost rows from a peer; or restore a backup"
        }
        Ok(Some(shards)) if shards.is_empty() => "no sync repairs these; restore a backup",
        Ok(Some(_)) => "sync with a peer that has the rows",
    };
    let failure = attempt.as_ref().err();
    if let Some(error) = failure {
        note(&format!("{}: {error}", error.code()));
    }
    Ok(Answer {
        document: Verified::new(path, &found, prepared, failure),
        text: text(&found, prepared, way_out),
        success: found.is_sound(),
    })
}

fn prepare(file: &Path) -> Result<Vec<PreparedShard>, CliError> {
    let db = VectrDB::new(Config::file(file))?;
    let prepared = db.prepare_repair()?;
    db.close()?;
    Ok(prepared.into_iter().filter(|shard| shard.damaged > 0 || shard.corrected).collect())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    path: String,
    sound: bool,
    shards: Vec<Shard>,
    faults: Vec<Finding>,
    omitted_faults: u64,
    /// What is larger than a message carries; no fault.
    oversized: Vec<Excess>,
    /// The shards that the next sync repairs.
    prepared: Vec<Prepared>,
    /// Why the file could not be prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Prepared {
    shard_id: String,
    damaged_rows: u64,
    digest_corrected: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shard {
    shard_id: String,
    rows: u64,
    digest: String,
    computed_digest: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    kind: &'static str,
    shard_id: Option<String>,
    vector_id: Option<String>,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Excess {
    kind: &'static str,
    shard_id: String,
    vector_id: Option<String>,
    size: u64,
    limit: u64,
    consequence: &'static str,
}

impl Verified {
    fn new(
        path: String,
        found: &Verification,
        prepared: &[PreparedShard],
        failure: Option<&CliError>,
    ) -> Self {
        Self {
            path,
            sound: found.is_sound(),
            shards: found.shards.iter().map(Shard::from).collect(),
            faults: found.faults.iter().map(Finding::from).collect(),
            omitted_faults: found.omitted,
            oversized: found.oversized.iter().map(Excess::from).collect(),
            prepared: prepared.iter().map(Prepared::from).collect(),
            error: failure.map(ToString::to_string),
            error_code: failure.map(|error| error.code().to_owned()),
        }
    }
}

impl From<&PreparedShard> for Prepared {
    fn from(shard: &PreparedShard) -> Self {
        Self {
            shard_id: shard.shard.to_string(),
            damaged_rows: shard.damaged,
            digest_corrected: shard.corrected,
        }
    }
}

impl From<&VerifiedShard> for Shard {
    fn from(shard: &VerifiedShard) -> Self {
        Self {
            shard_id: shard.shard.to_string(),
            rows: shard.rows,
            digest: shard.stored.to_string(),
            computed_digest: shard.computed.to_string(),
        }
    }
}

impl From<&Fault> for Finding {
    fn from(fault: &Fault) -> Self {
        Self {
            kind: fault.kind.name(),
            shard_id: fault.shard.as_ref().map(ToString::to_string),
            vector_id: fault.vector.clone(),
            reason: fault.reason.clone(),
        }
    }
}

impl From<&Oversized> for Excess {
    fn from(oversized: &Oversized) -> Self {
        Self {
            kind: oversized.kind.name(),
            shard_id: oversized.shard.to_string(),
            vector_id: oversized.vector.clone(),
            size: oversized.size,
            limit: oversized.limit,
            consequence: oversized.kind.consequence(),
        }
    }
}

fn text(found: &Verification, prepared: &[PreparedShard], way_out: &str) -> String {
    let mut table = Table::new(&["SHARD", ">ROWS", "DIGEST"]);
    for VerifiedShard { shard, rows, stored, computed, .. } in &found.shards {
        let verdict = if stored == computed { "matches" } else { "DOES NOT MATCH" };
        table.row([shard.to_string(), grouped(*rows), verdict.to_owned()]);
    }
    let faults: String =
        found.faults.iter().map(|fault| format!("{}\n", visible(&fault.to_string()))).collect();
    let more =
        if found.omitted > 0 { format!("and {} more\n", grouped(found.omitted)) } else { String::new() };
    let verdict = if found.is_sound() {
        "sound\n".to_owned()
    } else {
        format!("{} faults: {way_out}\n", grouped(found.faults.len() as u64 + found.omitted))
    };
    let done: String = prepared.iter().map(line).collect();
    let oversized: String =
        found.oversized.iter().map(|oversized| format!("{}\n", visible(&oversized.to_string()))).collect();
    format!("{}\n{faults}{more}{oversized}{done}{verdict}", table.render())
}

fn line(prepared: &PreparedShard) -> String {
    let PreparedShard { shard, damaged, corrected, .. } = prepared;
    let digest = if *corrected { ", its digest was computed anew" } else { "" };
    format!("shard '{shard}' is repaired by its next sync: {} damaged rows{digest}\n", grouped(*damaged))
}
