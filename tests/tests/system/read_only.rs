//! A reader on a mount where nothing may be written, and nodes that write the same file through another mount.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::Duration;

use vectr_core::{Config, Inspection, VectrDB};
use vectr_delta::ShardId;
use vectr_tests::NodeProcess;

use crate::alone::in_a_process;

const PROGRAM: &str = env!("CARGO_BIN_EXE_vectr-test-node");

#[test]
fn a_file_is_read_on_a_read_only_mount_whoever_writes_it_elsewhere() {
    // Without root, this maps the user to root inside the namespace where the system allows it.
    in_a_process(&["unshare", "--map-root-user", "--mount", "--"], "read_only::inside_a_mount");
}

#[test]
#[ignore = "run in a namespace by the test above"]
fn inside_a_mount() {
    let folder = tempfile::tempdir().unwrap();
    let (data, view) = (folder.path().join("data"), folder.path().join("view"));
    for path in [&data, &view] {
        std::fs::create_dir(path).unwrap();
    }
    let file = data.join("a.db");
    let mut node = NodeProcess::start(PROGRAM, &file);
    node.ask("write phrases 50 1");
    let mut written = node.ask("digest");
    node.close();
    run("mount", &["--bind", &text(&data), &text(&view)]);
    run("mount", &["-o", "remount,bind,ro", &text(&view)]);
    assert!(std::fs::write(view.join("new"), "").is_err());
    let seen = view.join("a.db");
    // No log lies there.
    let before = names(&data);
    let reader = open(&seen);
    assert_eq!(digest(&reader), written);
    assert_eq!(names(&data), before);
    let (told, hear) = channel();
    let feed = reader.changes(&phrases(), None).unwrap();
    let _subscription = feed.on_change(move || told.send(()).unwrap());
    for round in 0..3 {
        let mut node = NodeProcess::start(PROGRAM, &file);
        for part in 0..20 {
            node.ask(&format!("write phrases 40 {}", round * 100 + part + 2));
            written = node.ask("digest");
            assert_eq!(digest(&reader), written, "round {round}, part {part}");
            assert_eq!(digest(&open(&seen)), written, "round {round}, part {part}");
        }
        hear.recv_timeout(Duration::from_secs(20)).unwrap();
        if round == 1 {
            node.close();
        } else {
            node.kill();
        }
        // Of a killed node a log and its index lie there.
        assert_eq!(digest(&reader), written, "after round {round}");
        assert_eq!(digest(&open(&seen)), written, "after round {round}");
        assert!(Inspection::open(&seen).unwrap().verify().unwrap().is_sound());
        reader.iterate(&phrases(), true).unwrap().next_page(10_000).unwrap();
        while hear.try_recv().is_ok() {}
    }
    assert_eq!(reader.backup(&view.join("copy.db")).unwrap_err().code(), "ERR_STORAGE");
    reader.backup(&folder.path().join("copy.db")).unwrap();
    assert_eq!(digest(&open(&folder.path().join("copy.db"))), written);
    // The file without the index, as a snapshot has it. Beside a reader that relies on the index it is refused.
    std::fs::remove_file(data.join("a.db-shm")).unwrap();
    let refused = VectrDB::new(Config::file(&seen).read_only()).unwrap_err();
    assert!(refused.code() == "ERR_BUSY" && refused.to_string().contains("without an index"), "{refused}");
    reader.close().unwrap();
    assert_eq!(digest(&open(&seen)), written);
    assert!(!data.join("a.db-shm").exists());
}

fn open(path: &Path) -> VectrDB {
    VectrDB::new(Config::file(path).read_only()).unwrap()
}

fn digest(db: &VectrDB) -> String {
    db.digest(&phrases()).unwrap().to_string()
}

fn phrases() -> ShardId {
    ShardId::new("phrases").unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
