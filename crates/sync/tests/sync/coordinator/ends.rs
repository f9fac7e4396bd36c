use std::time::Duration;

use vectr_sync::{Cancel, Canceller};

use super::probe::Probe;
use super::support::{coordinator, dead_address, patience, peer, put, shard, until, within};
use crate::support::{Node, quick};

/// A node that has all the time in the world.
fn patient(name: &str) -> Node {
    Node::with(name, quick(), patience(Duration::from_secs(3_600), Duration::from_secs(3_600)))
}

#[tokio::test(flavor = "multi_thread")]
async fn abort_ends_a_call_and_frees_its_permits() {
    let (a, b) = (patient("a"), Node::new("b"));
    put(&b, &shard("s"), "v");
    let coordinator = coordinator(&a, 2);
    let (probe, canceller) = (Probe::default(), Canceller::new());
    let (_endpoint, mute) = probe.mute_peer().await.unwrap();
    let (_socket, dead) = dead_address();
    for number in 0..10 {
        coordinator.agenda().schedule(shard(&format!("s{number}")), &mute, 0);
        coordinator.agenda().schedule(shard(&format!("s{number}")), &dead, 0);
    }
    let (run, abort) = (coordinator.clone(), canceller.token());
    let run = tokio::spawn(async move { run.execute_tasks(abort).await });
    until(|| probe.counts().open == 2).await;
    canceller.cancel();
    assert_eq!(within(run).await.unwrap().unwrap_err().code(), "ERR_ABORTED");
    let agenda = coordinator.agenda();
    assert_eq!((agenda.active_syncs(), agenda.pending_tasks()), (0, 0));
    until(|| probe.counts().open == 0).await;
    agenda.schedule(shard("s"), &b.listen().await, 0);
    let results = within(coordinator.execute_tasks(Cancel::default())).await.unwrap();
    assert!(results[0].is_success() && results[0].changes_applied == 1);
    agenda.schedule(shard("s"), &mute, 0);
    let error = coordinator.execute_tasks(canceller.token()).await.unwrap_err();
    assert_eq!((error.code(), agenda.pending_tasks()), ("ERR_ABORTED", 1), "aborted before it began");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_frees_its_permits() {
    let a = patient("a");
    let coordinator = coordinator(&a, 2);
    let probe = Probe::default();
    let (_endpoint, mute) = probe.mute_peer().await.unwrap();
    for number in 0..10 {
        coordinator.agenda().schedule(shard(&format!("s{number}")), &mute, 0);
    }
    let run = coordinator.clone();
    let run = tokio::spawn(async move { run.execute_tasks(Cancel::default()).await });
    until(|| probe.counts().open == 2).await;
    run.abort();
    until(|| coordinator.agenda().active_syncs() == 0 && probe.counts().open == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn close_ends_what_runs_refuses_what_comes_and_leaves_the_engine_open() {
    let (a, b) = (patient("a"), Node::new("b"));
    put(&b, &shard("shard-1"), "v");
    let coordinator = coordinator(&a, 2);
    let probe = Probe::default();
    let (_endpoint, mute) = probe.mute_peer().await.unwrap();
    coordinator.agenda().register_peer(peer("mute", &mute, &["s", "t", "u"]));
    let run = coordinator.clone();
    let run = tokio::spawn(async move { run.sync_all(Cancel::default()).await });
    until(|| probe.counts().open == 2).await;
    coordinator.agenda().schedule(shard("s"), &mute, 0);
    within(coordinator.close()).await;
    assert_eq!(coordinator.agenda().active_syncs(), 0, "closing waits for what runs");
    coordinator.close().await;
    assert_eq!(within(run).await.unwrap().unwrap_err().code(), "ERR_CLOSED");
    assert_eq!(coordinator.agenda().pending_tasks(), 0);
    let refused = coordinator.execute_tasks(Cancel::default()).await.unwrap_err();
    assert_eq!(refused.code(), "ERR_CLOSED");
    assert!(refused.to_string().contains("coordinator"), "{refused}");
    assert_eq!(coordinator.health_check(Cancel::default()).await.unwrap_err().code(), "ERR_CLOSED");
    a.synced(&b.listen().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_engine_ends_its_coordinator() {
    let a = patient("a");
    let coordinator = coordinator(&a, 2);
    let probe = Probe::default();
    let (_endpoint, mute) = probe.mute_peer().await.unwrap();
    coordinator.agenda().register_peer(peer("mute", &mute, &["s", "t", "u"]));
    let run = coordinator.clone();
    let run = tokio::spawn(async move { run.sync_all(Cancel::default()).await });
    until(|| probe.counts().open == 2).await;
    a.engine.close().await;
    assert_eq!(within(run).await.unwrap().unwrap_err().code(), "ERR_CLOSED");
    assert_eq!(coordinator.sync_all(Cancel::default()).await.unwrap_err().code(), "ERR_CLOSED");
    assert_eq!(coordinator.health_check(Cancel::default()).await.unwrap_err().code(), "ERR_CLOSED");
    assert_eq!(coordinator.shard_states().unwrap_err().code(), "ERR_CLOSED");
}
