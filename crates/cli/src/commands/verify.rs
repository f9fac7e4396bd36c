use serde::Serialize;
use vectr_core::{Fault, Inspection, Verification, VerifiedShard};

use crate::commands::arguments::VerifyArguments;
use crate::console::report;
use crate::error::CliError;
use crate::table::{Table, grouped, visible};

/// Verifies the file. Returns whether it has no faults.
pub(crate) fn verify(arguments: &VerifyArguments) -> Result<bool, CliError> {
    let inspection = Inspection::open(&arguments.db)?;
    let found = inspection.verify()?;
    let path = inspection.path().display().to_string();
    report(arguments.output.json, &Verified::new(path, &found), |_| text(&found))?;
    Ok(found.is_sound())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    path: String,
    sound: bool,
    shards: Vec<Shard>,
    faults: Vec<Finding>,
    omitted_faults: u64,
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

impl Verified {
    fn new(path: String, found: &Verification) -> Self {
        Self {
            path,
            sound: found.is_sound(),
            shards: found.shards.iter().map(Shard::from).collect(),
            faults: found.faults.iter().map(Finding::from).collect(),
            omitted_faults: found.omitted,
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

fn text(found: &Verification) -> String {
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
        format!(
            "{} faults: restore a backup, or sync into a new file\n",
            grouped(found.faults.len() as u64 + found.omitted)
        )
    };
    format!("{}\n{faults}{more}{verdict}", table.render())
}
