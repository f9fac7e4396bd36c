//! Syncs of the program with itself.

use rusqlite::Connection;

use crate::support::{Scratch, Server, shard, write};

#[test]
fn a_sync_makes_both_alike_and_status_then_knows_the_peer() {
    let (here, there) = (Scratch::new(), Scratch::new());
    there.database("notes.db", 30);
    let server = Server::start(&there, &there.path("notes.db"), &["--node-id", "hub"]);
    let path = here.database("notes.db", 0);
    let db = here.open("notes.db");
    write(&db, 100..105);
    db.close().unwrap();

    let synced =
        here.run(&["sync", "notes.db", server.address(), "--node-id", "laptop", "--json"]).expect(0).json();
    let result = &synced["results"][0];
    assert_eq!((&synced["success"], &result["success"]), (&true.into(), &true.into()));
    assert_eq!(
        (&result["shardId"], &result["changesSent"], &result["changesApplied"]),
        (&"notes".into(), &5.into(), &30.into())
    );
    let again = here.run(&["sync", "notes.db", server.address()]).expect(0).out;
    assert!(again.contains("SENT") && again.contains("notes"), "{again}");

    let status = here.run(&["status", "notes.db", "--json"]).expect(0).json();
    assert_eq!((&status["nodeId"], &status["shards"][0]["vectors"]), (&"laptop".into(), &35.into()));
    let peer = &status["shards"][0]["peers"][0];
    assert_eq!((&peer["nodeId"], &peer["changesBehind"]), (&"hub".into(), &0.into()));
    assert_eq!(peer["fingerprint"], server.started["fingerprint"]);
    assert!(status["shards"][0]["lastSyncAt"].is_u64());

    let db = here.open("notes.db");
    write(&db, 200..207);
    db.close().unwrap();
    let status = here.run(&["status", "notes.db", "--json"]).expect(0).json();
    assert_eq!(status["shards"][0]["peers"][0]["changesBehind"], 7);
    let text = here.run(&["status", "notes.db"]).expect(0).out;
    assert!(text.contains("hub") && text.contains("BEHIND"), "{text}");
    assert!(path.exists());
}

#[test]
fn a_sync_repairs_what_another_program_did_to_the_file_and_says_so() {
    let (here, there) = (Scratch::new(), Scratch::new());
    there.database("notes.db", 300);
    let server = Server::start(&there, &there.path("notes.db"), &[]);
    let path = here.database("notes.db", 0);
    let sync = || {
        let synced = here.run(&["sync", "notes.db", server.address(), "--json"]).expect(0).json();
        synced["results"][0].clone()
    };
    assert_eq!(sync()["vectorsRepaired"], 0);
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(
        "UPDATE row SET vector = zeroblob(16) WHERE id = 'v3'; DELETE FROM row WHERE id = 'v7'",
    )
    .unwrap();
    raw.close().unwrap();
    here.run(&["verify", "notes.db"]).expect(1);
    let repaired = sync();
    assert_eq!((&repaired["vectorsRepaired"], &repaired["changesApplied"]), (&2.into(), &0.into()));
    assert!(repaired["warnings"][0].as_str().unwrap().contains("2 vectors"), "{repaired}");
    here.run(&["verify", "notes.db"]).expect(0);
    let again = sync();
    assert_eq!((&again["vectorsRepaired"], again["warnings"].as_array().unwrap().len()), (&0.into(), 0));
}

#[test]
fn a_new_file_takes_the_shards_that_are_named() {
    let (here, there) = (Scratch::new(), Scratch::new());
    std::fs::create_dir(there.path("shards")).unwrap();
    there.database("shards/notes.db", 3);
    there.database("shards/papers.db", 4);
    let server = Server::start(&there, &there.path("shards"), &[]);
    let arguments = ["sync", "copy.db", server.address(), "--shard", "notes", "--shard", "papers", "--json"];
    let synced = here.run(&arguments).expect(0).json();
    let applied = |at: usize| synced["results"][at]["changesApplied"].as_u64().unwrap();
    assert_eq!((applied(0), applied(1)), (3, 4));
    let db = here.open("copy.db");
    assert_eq!(db.shards().unwrap(), [shard("notes"), shard("papers")]);
}

#[test]
fn a_sync_that_fails_says_so_by_its_exit_code_and_in_json() {
    let (here, there) = (Scratch::new(), Scratch::new());
    there.database("notes.db", 3);
    here.database("notes.db", 3);
    let nobody = "ab".repeat(32);
    let server = Server::start(&there, &there.path("notes.db"), &["--pin", &nobody]);
    let refused = here.run(&["sync", "notes.db", server.address(), "--json"]).expect(1).json();
    let result = &refused["results"][0];
    assert_eq!((&refused["success"], &result["errorCode"]), (&false.into(), &"ERR_TRUST".into()));
    // The line to paste at the other side is the one that `identity` prints.
    let identity = here.run(&["identity", "--db", "notes.db", "--json"]).expect(0).json();
    assert!(result["error"].as_str().unwrap().contains(identity["paste"].as_str().unwrap()), "{result}");
    assert!(here.run(&["sync", "notes.db", server.address()]).expect(1).out.contains("ERR_TRUST"));

    let malformed = here.run(&["sync", "notes.db", "no address", "--json"]).expect(1).json();
    assert_eq!(malformed["results"][0]["errorCode"], "ERR_ARGUMENT");
    let bad_pin =
        here.run(&["sync", "notes.db", server.address(), "--pin", "xyz", "--json"]).expect(1).json();
    assert_eq!(bad_pin["errorCode"], "ERR_ARGUMENT");
}

#[test]
fn trust_comes_from_arguments_or_else_from_the_environment() {
    let (here, there) = (Scratch::new(), Scratch::new());
    there.database("notes.db", 3);
    here.database("notes.db", 3);
    let ours = here.run(&["identity", "--db", "notes.db", "--json"]).expect(0).json();
    let server =
        Server::start(&there, &there.path("notes.db"), &["--pin", ours["fingerprint"].as_str().unwrap()]);
    let theirs = server.started["fingerprint"].as_str().unwrap();
    let nobody = "ab".repeat(32);
    let run = |pins: &str, arguments: &[&str]| {
        let mut command = here.vectr();
        command.env("QUIC_PINNED_FINGERPRINTS", pins).args(["sync", "notes.db", server.address(), "--json"]);
        crate::support::Ran::from(command.args(arguments).output().unwrap())
    };
    run(&format!("{nobody}, {theirs}"), &[]).expect(0);
    // `$(cat missing)` must not pass for no configuration at all.
    assert_eq!(run("", &[]).expect(1).json()["errorCode"], "ERR_CONFIG");
    let refused = run(&nobody, &[]).expect(1).json();
    assert_eq!(refused["results"][0]["errorCode"], "ERR_TRUST");
    run(&nobody, &["--pin", theirs]).expect(0);
    let unreadable = run("xyz", &[]).expect(1).json();
    assert_eq!(unreadable["errorCode"], "ERR_CONFIG");
    assert!(
        unreadable["error"].as_str().unwrap().starts_with("QUIC_PINNED_FINGERPRINTS='xyz'"),
        "{unreadable}"
    );
}
