//! What the program says of files: identity, status, verify.

use crate::support::{Ran, Scratch, Server, write};
use rusqlite::Connection;
use serde_json::json;

#[test]
fn the_identity_is_that_of_the_engine_and_stable() {
    let scratch = Scratch::new();
    let path = scratch.database("agent.db", 1);
    let first = scratch.run(&["identity", "--db", "agent.db", "--json"]).expect(0).json();
    let fingerprint = first["fingerprint"].as_str().unwrap();
    assert_eq!(fingerprint.len(), 64);
    assert_eq!(first["paste"], format!("tls: {{ pinnedFingerprints: [\"{fingerprint}\"] }}"));
    let key = std::fs::canonicalize(path).unwrap().display().to_string() + ".key";
    assert_eq!(first["identityFile"], key);
    let text = scratch.run(&["identity", "--db", "agent.db"]).expect(0).out;
    for part in [fingerprint, first["paste"].as_str().unwrap(), &format!("--pin {fingerprint}")] {
        assert!(text.contains(part), "{text}");
    }
    let folder = scratch.run(&["identity", "--json"]).expect(0).json();
    assert_eq!(folder["identityFile"], "./vectr.key");
    assert_ne!(folder["fingerprint"], fingerprint);

    std::fs::write(scratch.path("broken.db.key"), "nonsense").unwrap();
    let broken = scratch.run(&["identity", "--db", "broken.db", "--json"]).expect(1);
    assert_eq!(broken.json()["errorCode"], "ERR_CONFIG");
    assert!(broken.err.starts_with("vectr: ERR_CONFIG: "), "{broken:?}");
}

#[test]
fn status_tells_of_a_database_in_use() {
    let scratch = Scratch::new();
    let db = scratch.open("agent.db");
    write(&db, 0..1234);
    let status = scratch.run(&["status", "agent.db", "--json"]).expect(0).json();
    let shard = &status["shards"][0];
    assert_eq!(
        (&shard["shardId"], &shard["vectors"], &shard["dimensions"]),
        (&"agent".into(), &1234.into(), &4.into())
    );
    assert_eq!((&shard["strategy"], &shard["conflictsUnresolved"]), (&"last-write-wins".into(), &0.into()));
    assert_eq!(shard["digest"], db.digest(db.default_shard()).unwrap().to_string());
    assert_eq!(status["site"], db.site().to_string());
    assert!(status["bytes"].as_u64().unwrap() > 16_384 && shard["lastSyncAt"].is_null());
    let text = scratch.run(&["status", "agent.db"]).expect(0).out;
    for part in ["SHARD", "agent", "1,234", "last-write-wins", "never", "no peers"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    db.close().unwrap();
}

#[test]
fn verify_names_what_was_altered_and_says_so_by_its_exit_code() {
    let scratch = Scratch::new();
    let path = scratch.database("agent.db", 20);
    let sound = scratch.run(&["verify", "agent.db", "--json"]).expect(0).json();
    assert_eq!((&sound["sound"], &sound["shards"][0]["rows"]), (&true.into(), &20.into()));
    assert!(scratch.run(&["verify", "agent.db"]).expect(0).out.ends_with("sound\n"));

    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(
        "UPDATE row SET vector = zeroblob(16) WHERE id = 'v3'; UPDATE row SET metadata = '{}' WHERE id = 'v5'; \
         DELETE FROM row WHERE id = 'v7'",
    )
    .unwrap();
    raw.close().unwrap();
    let damaged = scratch.run(&["verify", "agent.db", "--json"]).expect(1).json();
    let faults = damaged["faults"].as_array().unwrap();
    let named: Vec<_> =
        faults.iter().map(|fault| (fault["kind"].as_str().unwrap(), fault["vectorId"].as_str())).collect();
    assert_eq!(named, [("row", Some("v3")), ("row", Some("v5")), ("digest", None)]);
    assert_eq!(damaged["sound"], false);
    let text = scratch.run(&["verify", "agent.db"]).expect(1).out;
    for part in ["vector 'v3'", "vector 'v5'", "1 rows are missing", "3 faults"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_verified_file_is_prepared_so_that_the_next_sync_fetches_what_is_damaged_and_lost() {
    let (here, there) = (Scratch::new(), Scratch::new());
    there.database("notes.db", 40);
    let server = Server::start(&there, &there.path("notes.db"), &[]);
    let path = here.database("notes.db", 0);
    here.run(&["sync", "notes.db", server.address()]).expect(0);
    assert_eq!(
        here.run(&["verify", "notes.db", "--repair", "--json"]).expect(0).json()["prepared"],
        json!([])
    );
    // Without a trace: not even the triggers of the file notice.
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch(
        "DROP TRIGGER row_altered; DROP TRIGGER row_removed; DELETE FROM row WHERE id = 'v7'; \
         UPDATE row SET vector = zeroblob(16) WHERE id = 'v3'",
    )
    .unwrap();
    raw.close().unwrap();
    let synced = here.run(&["sync", "notes.db", server.address(), "--json"]).expect(0).json();
    assert_eq!(synced["results"][0]["vectorsRepaired"], 0);
    let found = here.run(&["verify", "notes.db", "--repair", "--json"]).expect(1).json();
    let prepared = json!([{ "shardId": "notes", "damagedRows": 1, "digestCorrected": true }]);
    assert_eq!(found["prepared"], prepared);
    let text = here.run(&["verify", "notes.db", "--repair"]).expect(1).out;
    assert!(text.contains("shard 'notes' is repaired by its next sync: 1 damaged rows\n"), "{text}");
    let synced = here.run(&["sync", "notes.db", server.address(), "--json"]).expect(0).json();
    assert_eq!(synced["results"][0]["vectorsRepaired"], 2);
    assert!(here.run(&["verify", "notes.db"]).expect(0).out.ends_with("sound\n"));
}

// Only the lock was told of, and none of the faults.
#[test]
fn a_file_in_use_that_cannot_be_prepared_for_repair_is_reported_all_the_same() {
    let scratch = Scratch::new();
    let path = scratch.database("agent.db", 20);
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("UPDATE row SET vector = zeroblob(16) WHERE id = 'v3'").unwrap();
    raw.close().unwrap();
    let db = scratch.open("agent.db");
    let transaction = db.begin().unwrap();
    let told = scratch.run(&["verify", "agent.db", "--repair"]).expect(1);
    for part in ["vector 'v3'", "1 faults: the file could not be prepared for repair"] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
    assert!(!told.out.contains("--repair") && told.err.starts_with("vectr: ERR_BUSY: "), "{told:?}");
    assert!(told.err.contains(&format!("process {}", std::process::id())), "{told:?}");
    let found = scratch.run(&["verify", "agent.db", "--repair", "--json"]).expect(1).json();
    assert_eq!((&found["faults"][0]["vectorId"], &found["errorCode"]), (&"v3".into(), &"ERR_BUSY".into()));
    assert_eq!(found["prepared"], json!([]));
    db.rollback(transaction).unwrap();
    // Beside who has it open.
    let prepared = scratch.run(&["verify", "agent.db", "--repair", "--json"]).expect(1).json();
    assert_eq!((&prepared["prepared"][0]["damagedRows"], prepared.get("errorCode")), (&1.into(), None));
}

#[test]
fn a_file_that_is_no_database_fails_with_a_code() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("text.db"), "hello").unwrap();
    for command in ["status", "verify"] {
        let refused = scratch.run(&[command, "text.db", "--json"]).expect(1);
        assert_eq!(refused.json()["errorCode"], "ERR_ARGUMENT");
        assert!(scratch.run(&[command, "missing.db"]).expect(1).err.contains("'missing.db' is not there"));
        assert!(!scratch.path("missing.db").exists());
    }
}

// Only one file was taken.
#[test]
fn several_files_are_shown_and_verified_and_one_that_fails_hides_none() {
    let scratch = Scratch::new();
    scratch.database("a.db", 3);
    scratch.database("b.db", 4);
    let shown = scratch.run(&["status", "a.db", "b.db", "--json"]).expect(0).json();
    let vectors: Vec<_> =
        shown.as_array().unwrap().iter().map(|status| &status["shards"][0]["vectors"]).collect();
    assert_eq!(vectors, [3, 4]);
    let text = scratch.run(&["status", "a.db", "b.db"]).expect(0).out;
    assert!(text.contains("a.db") && text.contains("b.db"), "{text}");

    let verified = scratch.run(&["verify", "a.db", "missing.db", "b.db", "--json"]).expect(1);
    let documents = verified.json();
    assert_eq!((&documents[0]["sound"], &documents[2]["sound"]), (&true.into(), &true.into()));
    assert_eq!(
        (&documents[1]["path"], &documents[1]["errorCode"]),
        (&"missing.db".into(), &"ERR_ARGUMENT".into())
    );
    assert!(verified.err.contains("'missing.db' is not there"), "{verified:?}");
    let text = scratch.run(&["verify", "a.db", "b.db"]).expect(0).out;
    assert_eq!(text.matches("sound\n").count(), 2);
    assert!(text.contains("b.db\n"), "{text}");
}

// `--json` was known behind the command only, and `identity` had its file as an option only.
#[test]
fn arguments_are_taken_in_every_usual_place() {
    let scratch = Scratch::new();
    scratch.database("a.db", 1);
    scratch.database("-b.db", 1);
    let behind = scratch.run(&["status", "a.db", "--json"]).expect(0);
    for arguments in [
        &["--json", "status", "a.db"][..],
        &["status", "--json", "a.db"],
        &["--json", "status", "--", "a.db"],
    ] {
        assert_eq!(scratch.run(arguments).expect(0).out, behind.out, "{arguments:?}");
    }
    assert_eq!(scratch.run(&["--json", "status", "--", "-b.db"]).expect(0).json()["defaultShard"], "-b");
    let named = scratch.run(&["--json", "identity", "a.db"]).expect(0);
    assert_eq!(named.out, scratch.run(&["identity", "--db", "a.db", "--json"]).expect(0).out);
    let folder = scratch.run(&["identity", ".", "--json"]).expect(0);
    assert_eq!(folder.out, scratch.run(&["--json", "identity"]).expect(0).out);
    assert_eq!(
        scratch.run(&["--json", "status", "missing.db"]).expect(1).json()["errorCode"],
        "ERR_ARGUMENT"
    );
    scratch.run(&["identity", "a.db", "--db", "a.db"]).expect(2);
}

#[test]
fn every_command_has_help_and_the_exit_codes_are_told() {
    let scratch = Scratch::new();
    for command in ["identity", "sync", "status", "verify", "serve", "completions"] {
        let short = scratch.run(&[command, "-h"]).expect(0).out;
        assert!(short.contains("Usage: vectr ") && short.contains("--json"), "{short}");
        assert!(scratch.run(&["help", command]).expect(0).out.contains("Usage: vectr "));
    }
    for all in ["-h", "--help", "help"] {
        assert!(scratch.run(&[all]).expect(0).out.contains("Exit codes: 0 "), "{all}");
    }
}

// Its "port" was said to be no number.
#[test]
fn a_url_is_no_address() {
    let scratch = Scratch::new();
    scratch.database("a.db", 1);
    let refused = scratch.run(&["sync", "a.db", "http://hub.example:4433"]).expect(1);
    assert!(
        refused.out.contains("give 'hub.example:4433'") || refused.err.contains("give 'hub.example:4433'"),
        "{refused:?}"
    );
}

// It could not create a log.
#[cfg(unix)]
#[test]
fn files_are_shown_and_verified_where_nothing_may_be_written() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    let scratch = Scratch::new();
    let path = scratch.database("a.db", 3);
    let permit = |mode| {
        std::fs::set_permissions(scratch.path(""), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    permit(0o555);
    let names = || std::fs::read_dir(scratch.path("")).unwrap().count();
    let before = names();
    for command in ["status", "verify"] {
        let mut vectr = scratch.vectr();
        vectr.args([command, "--json"]).arg(&path);
        if std::fs::metadata(&path).unwrap().uid() == 0 {
            vectr.uid(65_534).gid(65_534);
        }
        let ran = Ran::from(vectr.output().unwrap()).expect(0).json();
        assert_eq!(ran["shards"].as_array().unwrap().len(), 1, "{ran}");
    }
    assert_eq!(names(), before);
    permit(0o755);
}

#[test]
fn wrong_arguments_have_an_exit_code_of_their_own() {
    let scratch = Scratch::new();
    for arguments in [&["stats"][..], &["status"], &["sync", "a.db"], &["serve", "a.db", "--http"], &[]] {
        let ran = scratch.run(arguments).expect(2);
        assert!(ran.out.is_empty() && ran.err.contains("--help"), "{ran:?}");
    }
    assert!(scratch.run(&["statsu"]).err.contains("'status'"), "it suggests the right one");
}

#[test]
fn help_has_examples_and_completions_name_the_commands() {
    let scratch = Scratch::new();
    for arguments in [&["--help"][..], &["sync", "--help"], &["serve", "--help"]] {
        assert!(scratch.run(arguments).expect(0).out.contains("Examples:"), "{arguments:?}");
    }
    let version = scratch.run(&["--version"]).expect(0).out;
    assert_eq!(version, format!("vectr {}\n", env!("CARGO_PKG_VERSION")));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = scratch.run(&["completions", shell]).expect(0).out;
        for command in ["identity", "sync", "status", "verify", "serve"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}
