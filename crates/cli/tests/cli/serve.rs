//! The program as a server.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use crate::support::{Ran, Scratch, Server, request, shard, write};
use vectr_core::VectrDB;
use vectr_delta::NodeName;
use vectr_sync::{NetworkConfig, SyncConfig, SyncEngine, SyncOptions, SyncResult};

#[test]
fn a_folder_is_served_by_content_not_by_name() {
    let scratch = Scratch::new();
    let served = scratch.path("served");
    std::fs::create_dir(&served).unwrap();
    scratch.database("served/notes.db", 2);
    scratch.database("served/papers.sqlite", 3);
    std::fs::write(served.join("readme.db"), "no database").unwrap();
    rusqlite::Connection::open(served.join("other.db")).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
    let server = Server::start(&scratch, &served, &[]);
    let shards: Vec<_> =
        server.started["databases"].as_array().unwrap().iter().map(|db| db["shards"][0].clone()).collect();
    assert_eq!(shards, ["notes", "papers"]);
    assert!(served.join("vectr.key").exists(), "one identity for all");
    let identity = scratch.run(&["identity", "--db", "served", "--json"]).expect(0).json();
    assert_eq!(identity["fingerprint"], server.started["fingerprint"]);
}

#[test]
fn what_cannot_be_served_is_refused_at_the_start() {
    let scratch = Scratch::new();
    let refused = |arguments: &[&str], code: &str| {
        let ran = scratch.run(&[&["serve", "--json"], arguments].concat()).expect(1);
        assert_eq!(ran.json()["errorCode"], code, "{ran:?}");
        ran.err
    };
    std::fs::create_dir(scratch.path("empty")).unwrap();
    refused(&["empty", "--no-http"], "ERR_CONFIG");
    scratch.database("a.db", 1);
    refused(&["a.db", "--listen", "127.0.0.1:0", "--http", "0.0.0.0:0"], "ERR_ARGUMENT");
    refused(&["a.db", "--no-http", "--listen", "nonsense::"], "ERR_ARGUMENT");
    std::fs::create_dir(scratch.path("twice")).unwrap();
    for name in ["twice/one.db", "twice/two.db"] {
        let db = scratch.open(name);
        db.upsert(
            vectr_core::Target::shard(&shard("same")),
            &vectr_delta::VectorId::new("x").unwrap(),
            payload(),
        )
        .unwrap();
        db.close().unwrap();
    }
    let said = refused(&["twice", "--no-http"], "ERR_CONFIG");
    for part in ["'same'", "one.db", "two.db"] {
        assert!(said.contains(part), "{said}");
    }
}

fn payload() -> vectr_delta::Payload {
    vectr_delta::Payload::from_components(&[1.0], None).unwrap()
}

#[test]
fn health_is_told_to_this_machine_alone() {
    let scratch = Scratch::new();
    scratch.database("notes.db", 2);
    let server = Server::start(&scratch, &scratch.path("notes.db"), &[]);
    assert_eq!(server.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(server.get("/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(server.get("/nothing").0, 404);
    let (status, metrics) = server.get("/metrics");
    assert_eq!(status, 200);
    assert!(
        metrics.contains("\nvectr_shard_vectors{shard=\"notes\",database=\"notes.db\"} 2\n"),
        "{metrics}"
    );
    let address = server.started["http"].as_str().unwrap().strip_prefix("http://").unwrap();
    assert_eq!(request(address, "/metrics", "evil.example").0, 403);
    assert_eq!(request(address, "/metrics", "localhost").0, 200);
}

#[test]
fn a_signal_ends_an_idle_server_well() {
    for signal in ["TERM", "INT"] {
        let scratch = Scratch::new();
        scratch.database("notes.db", 2);
        let mut server = Server::start(&scratch, &scratch.path("notes.db"), &[]);
        server.signal(signal);
        let ended = server.ended();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.err.contains("drained"), "{ended:?}");
        // It was closed properly: another opening finds it free, and goes on under its site.
        scratch.run(&["verify", "notes.db"]).expect(0);
        assert_eq!(scratch.open("notes.db").count(&shard("notes")).unwrap(), 2);
    }
}

/// A sync of a client whose receiver takes its time: it goes on once `gate` is dropped.
struct HeldSync {
    engine: SyncEngine,
    result: tokio::task::JoinHandle<SyncResult>,
    gate: Sender<()>,
}

impl HeldSync {
    /// Resolves when the sync is in its middle.
    async fn begin(db: &VectrDB, address: &str) -> Self {
        let mut config = SyncConfig::default();
        config.batch_size(20).max_retries(0);
        let name = NodeName::new("a").unwrap();
        let engine = SyncEngine::new(db.clone(), name, config, NetworkConfig::default()).unwrap();
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let (gate, held) = channel::<()>();
        let held = Mutex::new(held);
        let progress = move |_| {
            let _ = begun.send(());
            // Nothing is ever sent: it waits until the other end is dropped.
            let _ = held.lock().unwrap().recv();
        };
        let mut options = SyncOptions::default();
        options.progress(progress);
        let (running, address) = (engine.clone(), address.to_owned());
        let result =
            tokio::spawn(async move { running.sync(&shard("notes"), &address, options).await.unwrap() });
        begins.recv().await.expect("it has begun");
        Self { engine, result, gate }
    }

    async fn end(self) -> SyncResult {
        drop(self.gate);
        let result = self.result.await.unwrap();
        self.engine.close().await;
        result
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_drains_a_running_sync_ends_well_and_no_other_begins() {
    let (here, there) = (Scratch::new(), Scratch::new());
    there.database("notes.db", 20_000);
    here.database("other.db", 1);
    let server = Server::start(&there, &there.path("notes.db"), &["--drain-seconds", "86400"]);
    let db = here.open("notes.db");
    write(&db, 20_000..30_000);
    let sync = HeldSync::begin(&db, server.address()).await;
    assert_eq!(server.get("/readyz").0, 200);
    server.signal("TERM");
    let (server, _here, refused) = tokio::task::spawn_blocking(move || {
        while server.get("/readyz") != (503, "draining\n".to_owned()) {}
        assert_eq!(server.get("/healthz").0, 200);
        let metrics = server.get("/metrics").1;
        for line in ["vectr_ready 0", "vectr_sessions 1"] {
            assert!(metrics.contains(&format!("\n{line}\n")), "{metrics}");
        }
        let refused = here.run(&["sync", "other.db", server.address(), "--retries", "0", "--json"]);
        (server, here, refused.expect(1).json())
    })
    .await
    .unwrap();
    assert_eq!(refused["results"][0]["errorCode"], "ERR_BUSY", "{refused}");
    let result = sync.end().await;
    assert_eq!((result.failure, result.changes_sent, result.changes_applied), (None, 10_000, 20_000));

    let ended = ended(server).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.ends_with("vectr: drained\n"), "{ended:?}");
    let digest = |db: &VectrDB| db.digest(&shard("notes")).unwrap();
    assert_eq!(digest(&there.open("notes.db")), digest(&db));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_does_not_end_is_cut_off_after_the_bound() {
    let (here, there) = (Scratch::new(), Scratch::new());
    there.database("notes.db", 20_000);
    let server = Server::start(&there, &there.path("notes.db"), &["--drain-seconds", "0"]);
    let sync = HeldSync::begin(&here.open("notes.db"), server.address()).await;
    server.signal("TERM");
    let ended = ended(server).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("1 syncs did not end in time"), "{ended:?}");
    let result = sync.end().await;
    assert!(!result.is_success() && result.changes_applied < 20_000, "{result:?}");
}

async fn ended(mut server: Server) -> Ran {
    tokio::task::spawn_blocking(move || server.ended()).await.unwrap()
}
