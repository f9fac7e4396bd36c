//! Processes that write one file, and are killed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use vectr_core::{Config, Target, VectrDB};

use super::{LONG, numbers, own_sites};
use crate::support::{Draw, Scratch, assert_sound, id, payload, put, shard, shown};

/// A process that writes rows `<name>-0`, `<name>-1` and so on, and says of each that it was committed.
fn spawn(scratch: &Scratch, name: &str, rows: usize, told: &Sender<(String, usize)>) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "company::processes::child", "--ignored", "--nocapture"])
        .env("VECTR_TEST_FILE", scratch.path("a.db"))
        .env("VECTR_TEST_NAME", name)
        .env("VECTR_TEST_ROWS", rows.to_string())
        .env("VECTR_RUNTIME_DIR", scratch.runtime_dir())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (output, told, name) = (child.stdout.take().unwrap(), told.clone(), name.to_owned());
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(row) = line.split_once("row ").and_then(|(_, row)| row.parse().ok()) {
                let _ = told.send((name.clone(), row));
            }
        }
    });
    child
}

/// How many rows of each process were committed, as it has said.
fn collect(hear: &Receiver<(String, usize)>, into: &mut BTreeMap<String, usize>) {
    for (name, row) in hear.try_iter() {
        into.insert(name, row + 1);
    }
}

#[test]
fn what_killed_processes_have_committed_stays_and_the_others_go_on() {
    let scratch = Scratch::new();
    let db = scratch.open("a.db");
    put(&db, "before", &[1.0]);
    let site = db.site();
    let (told, hear) = channel();
    let (mut draw, mut committed) = (Draw(7), BTreeMap::new());
    let endless = usize::MAX;
    let mut children: Vec<Child> =
        (0..4).map(|n| spawn(&scratch, &format!("p{n}"), endless, &told)).collect();
    for n in 4..16 {
        // Until somebody has written since the last one was killed.
        let (name, row) = hear.recv_timeout(LONG).unwrap();
        committed.insert(name, row + 1);
        std::thread::sleep(Duration::from_millis(20 + draw.below(60) as u64));
        let mut killed = children.remove(draw.below(children.len()));
        killed.kill().unwrap();
        killed.wait().unwrap();
        children.push(spawn(&scratch, &format!("p{n}"), endless, &told));
        put(&db, &format!("own{n}"), &[1.0]);
    }
    let rest = children.len();
    for mut child in children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(told);
    while let Ok((name, row)) = hear.recv() {
        committed.insert(name, row + 1);
    }
    collect(&hear, &mut committed);
    assert!(rest == 4 && committed.len() > 4, "{committed:?}");
    for (name, rows) in &committed {
        for row in 0..*rows {
            assert_eq!(
                shown(&db, &format!("{name}-{row}")),
                Some(vec![row as f32]),
                "{name}-{row} of {rows}"
            );
        }
    }
    assert_sound(&db);
    assert_eq!((db.site(), own_sites(&db)), (site, 1));
    db.close().unwrap();
    assert_eq!(scratch.open("a.db").site(), site);
    assert!(vectr_core::Inspection::open(&scratch.path("a.db")).unwrap().verify().unwrap().faults.is_empty());
}

#[test]
fn all_rows_of_twelve_processes_are_stored() {
    let scratch = Scratch::new();
    let (told, hear) = channel();
    let children: Vec<Child> = (0..12).map(|n| spawn(&scratch, &format!("p{n}"), 50, &told)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    drop(told);
    assert_eq!(hear.iter().count(), 600);
    let db = scratch.open("a.db");
    assert_eq!(db.count(&shard()).unwrap(), 600);
    let found =
        numbers(&db, "SELECT count(DISTINCT change_id), max(change_id), count(DISTINCT seq) FROM row");
    assert_eq!(found, [600, 600, 600]);
    assert_sound(&db);
}

/// Run as a process of its own.
#[test]
#[ignore = "the other half of tests with several processes"]
fn child() {
    let Some(file) = std::env::var_os("VECTR_TEST_FILE") else { return };
    let text = |name| std::env::var(name).unwrap();
    let (name, rows): (String, usize) = (text("VECTR_TEST_NAME"), text("VECTR_TEST_ROWS").parse().unwrap());
    let mut config = Config::file(std::path::PathBuf::from(file));
    config.shard(shard());
    let db = VectrDB::new(config).unwrap();
    for row in 0..rows {
        let row_id = id(&format!("{name}-{row}"));
        // Some of it in transactions that stay open for a while.
        let transaction = (row % 4 == 3).then(|| db.begin().unwrap());
        let (of, payload) = (shard(), payload(&[row as f32]));
        db.upsert(Target { shard: &of, transaction }, &row_id, payload).unwrap();
        if let Some(transaction) = transaction {
            std::thread::sleep(Duration::from_millis(2));
            db.commit(transaction).unwrap();
        }
        println!("row {row}");
    }
    db.close().unwrap();
}
