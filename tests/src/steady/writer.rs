use std::io::{BufRead, Write, stdin, stdout};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use vectr_core::{Target, VectrDB};
use vectr_delta::{Metadata, Payload, VectorId};

use super::level::resident;
use super::run::{Failure, open, shard};
use crate::{DIMENSIONS, Random};

/// The process that writes, on the files in `folder`: prints its address, and writes 100 vectors a second, new ones at
/// first, then new versions of the same ones. On standard input it is asked `resident` (bytes), `stop` (writes no more;
/// its digest) and `close`.
///
/// # Errors
/// Where a file, a socket or a write fails.
pub async fn write_steadily(folder: &Path) -> Result<(), Failure> {
    let (db, engine) = open(folder, "writer")?;
    say(&engine.listen("127.0.0.1:0").await?.to_string());
    let writing = Arc::new(AtomicBool::new(true));
    let mut writer = tokio::spawn(write(db.clone(), Arc::clone(&writing)));
    // Standard input blocks the thread that reads it.
    let (lines, mut commands) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || stdin().lock().lines().map_while(Result::ok).try_for_each(|l| lines.send(l)));
    while let Some(command) = commands.recv().await {
        match command.as_str() {
            "resident" => say(&resident()?.to_string()),
            "stop" => {
                writing.store(false, Ordering::Relaxed);
                (&mut writer).await??;
                say(&db.digest(&shard()?)?.to_string());
            }
            _ => break,
        }
    }
    engine.close().await;
    Ok(db.close()?)
}

async fn write(db: VectrDB, writing: Arc<AtomicBool>) -> Result<(), Failure> {
    let shard = shard()?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / WRITES_A_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for index in 0_u64.. {
        ticks.tick().await;
        if !writing.load(Ordering::Relaxed) {
            break;
        }
        let id = VectorId::new(&format!("vector-{}", index % IDS))?;
        let mut random = Random::new(index);
        let components: Vec<f32> =
            (0..DIMENSIONS).map(|_| random.below(2_000) as f32 / 1_000.0 - 1.0).collect();
        let metadata = Metadata::new(&format!(r#"{{"write":{index}}}"#))?;
        db.upsert(Target::shard(&shard), &id, Payload::from_components(&components, Some(metadata))?)?;
    }
    Ok(())
}

fn say(line: &str) {
    println!("{line}");
    // A reader that is gone has no use for it.
    let _ = stdout().flush();
}

const WRITES_A_SECOND: u32 = 100;
const IDS: u64 = 500;
