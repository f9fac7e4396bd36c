//! What a database says of the rows that it took in from a peer.

use std::sync::mpsc::{Receiver, channel};

use crate::support::{Scratch, id, peer, put, shard, store};
use vectr_core::VectrDB;
use vectr_core::replication::{Serving, serve};
use vectr_delta::{
    Applied, Batch, ChangeSpan, End, Hello, HelloOffer, NodeName, PageSize, RemoteApply, ShardId, StoreReply,
    StoreRequest, Timestamp, VectorRow, VersionVector,
};

const NOW: Timestamp = Timestamp::from_micros(crate::support::Wall::START);

fn hello(db: &VectrDB) -> Hello {
    let offer = HelloOffer {
        // Each database says its own.
        nonce: db.site().number(),
        codecs: vec![0],
        live: false,
        node: NodeName::new("peer").unwrap(),
        clock: NOW,
        window: 16,
    };
    store::read_hello(db, peer(1), offer).0
}

/// All rows of a database, as one batch and the end behind it.
fn transfer(db: &VectrDB) -> (Batch, End) {
    let page = store::read_page(db, PageSize { bytes: 1 << 20, rows: 5_000 });
    let rows: Vec<VectorRow> = page.rows;
    let said = hello(db);
    let batch = Batch {
        nonce: 1,
        index: 0,
        position: page.position,
        frontier: VersionVector::new(),
        names: [(said.site, said.node)].into(),
        rows,
    };
    let end = End {
        nonce: 1,
        index: 1,
        position: page.position,
        version_vector: said.version_vector,
        frontier: VersionVector::new(),
        digest: said.digest,
        tight: said.tight,
        names: [].into(),
    };
    (batch, end)
}

fn pair() -> (Scratch, VectrDB, VectrDB) {
    let scratch = Scratch::new();
    let wall = crate::support::Wall::new();
    let (near, far) = (scratch.open_at("near.db", &wall), scratch.open_at("far.db", &wall));
    (scratch, near, far)
}

#[test]
fn a_transaction_names_the_change_ids_that_it_gave_out() {
    let (_scratch, near, far) = pair();
    put(&near, "own", &[1.0]);
    for name in ["a", "b", "c"] {
        put(&far, name, &[2.0]);
    }
    let (batch, end) = transfer(&far);
    store::meet(&near, hello(&far));
    let remote = Box::new(RemoteApply::new(peer(1), &hello(&far), 0));
    let taken = store::apply(&near, remote, vec![batch.clone()]);
    assert_eq!(taken.changes, Some(ChangeSpan { after: 1, to: 4 }));
    let again = store::apply(&near, taken.remote, vec![batch.clone()]);
    assert_eq!((again.changes, again.applied.changed), (None, 0));
    put(&far, "d", &[2.0]);
    let (batch, _) = transfer(&far);
    let ended = store::end(&near, again.remote, vec![batch], end);
    assert_eq!((ended.changes, ended.applied.changed), (Some(ChangeSpan { after: 4, to: 5 }), 1));
    let bare = transfer(&far).1;
    assert_eq!(store::end(&near, ended.remote, vec![], bare).changes, None);
}

#[test]
fn vectors_that_gained_concurrent_versions_are_named_up_to_a_hundred() {
    let (_scratch, near, far) = pair();
    for number in 0..250 {
        put(&near, &format!("v{number}"), &[1.0]);
        put(&far, &format!("v{number}"), &[2.0]);
    }
    put(&far, "alone", &[2.0]);
    store::meet(&near, hello(&far));
    let remote = Box::new(RemoteApply::new(peer(1), &hello(&far), 0));
    let (batch, _) = transfer(&far);
    let taken = store::apply(&near, remote, vec![batch.clone(), batch]);
    assert_eq!(taken.applied.conflicts, 250);
    let named: std::collections::BTreeSet<_> = taken.applied.conflicted.iter().collect();
    assert_eq!((named.len(), taken.applied.conflicted.len()), (Applied::MAX_NAMED, Applied::MAX_NAMED));
    assert!(!named.contains(&id("alone")));
    assert_eq!(near.conflicts(None).unwrap().len(), 250);
}

#[test]
fn an_intake_without_a_cursor_takes_rows_in_and_remembers_no_place() {
    let (_scratch, near, far) = pair();
    put(&far, "a", &[2.0]);
    for keeps_cursor in [false, true] {
        store::meet(&near, hello(&far));
        let mut remote = RemoteApply::new(peer(1), &hello(&far), 0);
        if !keeps_cursor {
            remote = remote.without_cursor();
        }
        let (batch, end) = transfer(&far);
        store::end(&near, Box::new(remote), vec![batch], end);
        assert_eq!(near.digest(&shard()).unwrap(), far.digest(&shard()).unwrap());
        assert_eq!(hello(&near).cursor.is_some(), keeps_cursor);
        assert_eq!(hello(&near).version_vector, hello(&far).version_vector);
    }
}

// Each peer that came woke all live sessions, so that a thousand of them cost a million wakes.
#[test]
fn what_is_noted_of_a_peer_wakes_no_session() {
    let (_scratch, near, far) = pair();
    put(&far, "a", &[2.0]);
    store::meet(&near, hello(&far));
    let remote = RemoteApply::new(peer(1), &hello(&far), 0);
    let (batch, end) = transfer(&far);
    let (rows, woken) = watch(&near, &shard());
    store::end(&near, Box::new(remote.clone().without_cursor()), vec![batch.clone()], end.clone());
    assert!(woken(), "rows and claims came");
    let (cursor, woken) = watch(&near, &shard());
    store::end(&near, Box::new(remote), vec![batch], end);
    assert!(near.commit_no() > cursor && cursor > rows && !woken(), "the cursor moved, and nothing else");
    // Who asks later is answered by what he has not seen, not by what was noted since.
    let (answered, heard) = ask(&near, &shard(), rows);
    assert!(matches!(heard.try_recv(), Ok(StoreReply::Committed)));
    drop(answered);
}

#[test]
fn a_commit_wakes_the_sessions_of_its_shard_and_a_new_site_those_of_all() {
    let (_scratch, near, _far) = pair();
    let other = ShardId::new("other").unwrap();
    put(&near, "mine", &[1.0]);
    let [(_, notes), (before, others)] = [&shard(), &other].map(|shard| watch(&near, shard));
    put(&near, "mine", &[2.0]);
    assert!(notes() && !others());
    assert!(near.commit_no() > before);
    let [(_, notes), (_, others)] = [&shard(), &other].map(|shard| watch(&near, shard));
    store::renew(&near);
    assert!(notes() && others());
}

/// Waits for a commit that a session of the shard has to hear of; returns the last one now, and whether it came.
fn watch(db: &VectrDB, of: &ShardId) -> (u64, impl Fn() -> bool + use<>) {
    let now = db.commit_no();
    let (waiting, heard) = ask(db, of, now);
    (now, move || {
        let _listening = &waiting;
        heard.try_recv().is_ok()
    })
}

fn ask(db: &VectrDB, of: &ShardId, after: u64) -> (Serving, Receiver<StoreReply>) {
    let (sender, heard) = channel();
    let waiting = serve(db, of, StoreRequest::AwaitCommit(after), move |reply| sender.send(reply).unwrap());
    (waiting, heard)
}

#[test]
fn a_session_of_a_former_life_changes_nothing() {
    let (_scratch, near, far) = pair();
    put(&near, "mine", &[1.0]);
    put(&far, "a", &[2.0]);
    store::meet(&near, hello(&far));
    let remote = RemoteApply::new(peer(1), &hello(&far), 0).in_life_of(near.site());
    store::renew(&near);
    let before = (near.digest(&shard()).unwrap(), hello(&near).version_vector, hello(&near).cursor);
    let (batch, end) = transfer(&far);
    let apply = StoreRequest::Apply { remote: Box::new(remote.clone()), batches: vec![batch.clone()] };
    let end = StoreRequest::End { remote: Box::new(remote), batches: vec![batch], end: Box::new(end) };
    for request in [apply, end] {
        assert!(matches!(store::ask(&near, request), StoreReply::SiteReset));
    }
    assert_eq!((near.digest(&shard()).unwrap(), hello(&near).version_vector, hello(&near).cursor), before);
}

#[test]
fn sessions_that_find_one_fork_reset_the_site_once() {
    let (_scratch, near, _far) = pair();
    put(&near, "mine", &[1.0]);
    let forked = near.site();
    let mut sites = Vec::new();
    for _ in 0..3 {
        assert!(matches!(store::ask(&near, StoreRequest::ResetSite(forked)), StoreReply::SiteReset));
        sites.push(near.site());
    }
    assert!(sites[0] != forked && sites.iter().all(|site| *site == sites[0]));
}
