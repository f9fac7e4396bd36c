//! A machine that is resumed from a snapshot with its memory: the processes go on, and only the wall clock shows it.

use std::path::PathBuf;

use vectr_core::replication::serve_blocking;
use vectr_core::{Config, VectrDB};
use vectr_delta::{Fingerprint, HelloOffer, NodeName, ShardId, SiteId, StoreReply, StoreRequest, Timestamp};

use crate::alone::{in_a_process, turn};
use crate::preload::library;

#[test]
fn a_process_that_was_resumed_goes_on_as_a_new_site() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let clock = library(folder.path(), "resumed/jumping_clock.c");
    let variables = [("LD_PRELOAD", clock), ("CLOCK_JUMP", folder.path().join("jump"))];
    let variables = variables.map(|(name, value)| format!("{name}={}", value.display()));
    for test in ["between_writes", "within_a_transaction", "before_a_hello"] {
        let launcher = ["env", &variables[0], &variables[1]];
        in_a_process(&launcher, &format!("resumed::{test}"));
    }
}

#[test]
#[ignore = "under a clock that jumps"]
fn between_writes() {
    let node = Node::open();
    node.put("before");
    let first = node.db.site();
    resume(2);
    node.put("a small step of the clock");
    assert_eq!(node.db.site(), first);
    resume(3_600);
    assert_eq!(node.db.site(), first, "nothing is written, nobody was told");
    node.put("after");
    let second = node.db.site();
    assert_ne!(second, first);
    node.put("later");
    assert_eq!(node.db.site(), second, "one jump is one new life");
    assert_eq!(node.count(), 4);
}

#[test]
#[ignore = "under a clock that jumps"]
fn within_a_transaction() {
    let node = Node::open();
    node.put("before");
    let first = node.db.site();
    let done = node.db.transaction(|transaction| {
        transaction.shard(shard())?.upsert("in", &[1.0])?;
        resume(-7_200);
        transaction.shard(shard())?.upsert("in too", &[1.0])
    });
    let error = done.unwrap_err();
    assert!(error.code() == "ERR_BUSY" && error.to_string().contains("resumed"), "{error}");
    assert_eq!(node.count(), 1);
    node.put("again");
    assert_ne!(node.db.site(), first);
    assert_eq!(node.count(), 2);
}

#[test]
#[ignore = "under a clock that jumps"]
fn before_a_hello() {
    let node = Node::open();
    node.put("before");
    let first = node.db.site();
    assert_eq!(node.says(), first);
    resume(90);
    let second = node.says();
    assert_ne!(second, first);
    assert_eq!((node.says(), node.db.site()), (second, second));
}

/// The machine has been away for so many seconds.
fn resume(seconds: i64) {
    let path = PathBuf::from(std::env::var_os("CLOCK_JUMP").expect("started under a clock that jumps"));
    let draft = path.with_extension("new");
    std::fs::write(&draft, seconds.to_string()).unwrap();
    std::fs::rename(draft, path).unwrap();
}

struct Node {
    db: VectrDB,
    _folder: tempfile::TempDir,
}

impl Node {
    fn open() -> Self {
        resume(0);
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let mut config = Config::file(folder.path().join("a.db"));
        config.shard(shard()).runtime_dir(folder.path().join("runtime"));
        Self { db: VectrDB::new(config).unwrap(), _folder: folder }
    }

    fn put(&self, id: &str) {
        self.db.shard(shard()).unwrap().upsert(id, &[1.0]).unwrap();
    }

    fn count(&self) -> u64 {
        self.db.count(&shard()).unwrap()
    }

    /// The site that a peer is told.
    fn says(&self) -> SiteId {
        let offer = HelloOffer {
            nonce: 1,
            codecs: vec![0],
            live: false,
            node: NodeName::new("a").unwrap(),
            clock: Timestamp::default(),
            window: 16,
        };
        let request = StoreRequest::ReadHello { peer: Fingerprint::new([1; 32]), offer };
        match serve_blocking(&self.db, &shard(), request) {
            StoreReply::Hello { hello, .. } => hello.site,
            other => panic!("{other:?}"),
        }
    }
}

fn shard() -> ShardId {
    ShardId::new("notes").unwrap()
}
