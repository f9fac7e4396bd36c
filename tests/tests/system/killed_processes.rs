//! Real processes, real files, `kill -9`: the next sync goes on from what was acknowledged, and nothing is lost.

use std::path::Path;

use vectr_core::{Config, Target, VectrDB};
use vectr_delta::ShardId;
use vectr_tests::{Embeddings, NodeProcess, Random, Report};

use crate::alone::turn;

const PROGRAM: &str = env!("CARGO_BIN_EXE_vectr-test-node");
const ROWS: u64 = 50_000;
const KILLS: u64 = 20;
const AMID_TRANSFER: u64 = 15;

#[test]
fn a_killed_node_resumes_and_loses_nothing() {
    let _turn = turn();
    let mut random = Random::new(Random::seed("VECTR_KILL_SEED"));
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.db");
    fill(&source);
    let mut amid = 0;
    for round in 0..KILLS {
        let target = folder.path().join(format!("target-{round}.db"));
        amid += u64::from(kill_and_resume(round, &source, &target, &mut random));
        for ending in ["", "-wal", "-shm", ".key", ".lock"] {
            let _ = std::fs::remove_file(format!("{}{ending}", target.display()));
        }
    }
    println!("{amid} of {KILLS} kills struck in the middle of a transfer");
    assert!(amid >= AMID_TRANSFER, "too few kills in the middle of a transfer: {amid}");
}

/// Returns whether the kill struck while rows were still to come.
fn kill_and_resume(round: u64, source: &Path, target: &Path, random: &mut Random) -> bool {
    let mut sender = NodeProcess::start(PROGRAM, source);
    let address = sender.ask("listen");
    let mut receiver = NodeProcess::start(PROGRAM, target);
    let at = 1 + random.below(ROWS - 1);
    let kills_sender = random.below(2) == 0;
    let mut before = Report::default();
    receiver.begin_sync(&address);
    receiver.wait_for(at, &mut before);
    let (mut sender, address) = if kills_sender {
        sender.kill();
        receiver.finish_sync(&mut before);
        let mut again = NodeProcess::start(PROGRAM, source);
        let address = again.ask("listen");
        (again, address)
    } else {
        receiver.kill();
        receiver = NodeProcess::start(PROGRAM, target);
        (sender, address)
    };
    let finished_early = matches!(before.outcome, Some(Ok(_)));
    let mut after = Report::default();
    receiver.begin_sync(&address);
    receiver.finish_sync(&mut after);
    let Some(Ok(finished)) = after.outcome else {
        panic!("round {round}: the second sync ended with {after:?}")
    };
    assert_eq!(finished.digest, sender.ask("digest"), "round {round}");
    for node in [&mut sender, &mut receiver] {
        assert_eq!(node.ask("check"), r#"[[Text("ok")]]"#, "round {round}");
    }
    assert!(
        finished.applied + before.applied <= ROWS,
        "round {round}: {} rows acknowledged before the kill, {} applied after it",
        before.applied,
        finished.applied
    );
    let amid = !finished_early && finished.applied > 0;
    println!(
        "kill {:2}: {} at row {at:5}, {:5} rows acknowledged, {:5} came afterwards, digests equal, files ok",
        round + 1,
        if kills_sender { "sender  " } else { "receiver" },
        before.applied,
        finished.applied,
    );
    receiver.close();
    sender.close();
    amid
}

fn fill(path: &Path) {
    let embeddings = Embeddings::load();
    let shard = ShardId::new("phrases").expect("it is short");
    let mut config = Config::default();
    config.path(path.to_owned()).shard(shard.clone());
    let db = VectrDB::new(config).expect("a new file opens");
    for start in (0..ROWS as usize).step_by(5_000) {
        let entries = (start..start + 5_000).map(|index| embeddings.entry(index)).collect();
        db.insert_batch(Target { shard: &shard, transaction: None }, entries).expect("the rows fit");
    }
    db.close().expect("it closes");
}
