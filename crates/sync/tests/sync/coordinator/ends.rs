use std::time::Duration;

use vectr_sync::{CancellationSource, CancellationToken};

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
    let (probe, cancel) = (Probe::default(), CancellationSource::new());
    let (_endpoint, mute) = probe.mute_peer().await.unwrap();
    let (_socket, dead) = dead_address();
    for number in 0..10 {
        coordinator.scheduler().schedule(shard(&format!("s{number}")), &mute, 0);
        coordinator.scheduler().schedule(shard(&format!("s{number}")), &dead, 0);
    }
    let (run, abort) = (coordinator.clone(), cancel.token());
    let run = tokio::spawn(async move { run.execute_tasks(abort).await });
    until(|| probe.counts().open == 2).await;
    cancel.cancel();
    assert_eq!(within(run).await.unwrap().unwrap_err().code(), "ERR_ABORTED");
    let scheduler = coordinator.scheduler();
    assert_eq!((scheduler.active_syncs(), scheduler.pending_tasks()), (0, 0));
    until(|| probe.counts().open == 0).await;
    scheduler.schedule(shard("s"), &b.listen().await, 0);
    let results = within(coordinator.execute_tasks(CancellationToken::default())).await.unwrap();
    assert!(results[0].is_success() && results[0].changes_applied == 1);
    scheduler.schedule(shard("s"), &mute, 0);
    let error = coordinator.execute_tasks(cancel.token()).await.unwrap_err();
    assert_eq!((error.code(), scheduler.pending_tasks()), ("ERR_ABORTED", 1), "aborted before it began");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_dropped_frees_its_permits() {
    let a = patient("a");
    let coordinator = coordinator(&a, 2);
    let probe = Probe::default();
    let (_endpoint, mute) = probe.mute_peer().await.unwrap();
    for number in 0..10 {
        coordinator.scheduler().schedule(shard(&format!("s{number}")), &mute, 0);
    }
    let run = coordinator.clone();
    let run = tokio::spawn(async move { run.execute_tasks(CancellationToken::default()).await });
    until(|| probe.counts().open == 2).await;
    run.abort();
    until(|| coordinator.scheduler().active_syncs() == 0 && probe.counts().open == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn close_ends_what_runs_refuses_what_comes_and_leaves_the_engine_open() {
    let (a, b) = (patient("a"), Node::new("b"));
    put(&b, &shard("shard-1"), "v");
    let coordinator = coordinator(&a, 2);
    let probe = Probe::default();
    let (_endpoint, mute) = probe.mute_peer().await.unwrap();
    coordinator.scheduler().register_peer(peer("mute", &mute, &["s", "t", "u"]));
    let run = coordinator.clone();
    let run = tokio::spawn(async move { run.sync_all(CancellationToken::default()).await });
    until(|| probe.counts().open == 2).await;
    coordinator.scheduler().schedule(shard("s"), &mute, 0);
    within(coordinator.close()).await;
    assert_eq!(coordinator.scheduler().active_syncs(), 0, "closing waits for what runs");
    coordinator.close().await;
    assert_eq!(within(run).await.unwrap().unwrap_err().code(), "ERR_CLOSED");
    assert_eq!(coordinator.scheduler().pending_tasks(), 0);
    let refused = coordinator.execute_tasks(CancellationToken::default()).await.unwrap_err();
    assert_eq!(refused.code(), "ERR_CLOSED");
    assert!(refused.to_string().contains("coordinator"), "{refused}");
    assert_eq!(
        coordinator.health_check(CancellationToken::default()).await.unwrap_err().code(),
        "ERR_CLOSED"
    );
    a.synced(&b.listen().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_engine_ends_its_coordinator() {
    let a = patient("a");
    let coordinator = coordinator(&a, 2);
    let probe = Probe::default();
    let (_endpoint, mute) = probe.mute_peer().await.unwrap();
    coordinator.scheduler().register_peer(peer("mute", &mute, &["s", "t", "u"]));
    let run = coordinator.clone();
    let run = tokio::spawn(async move { run.sync_all(CancellationToken::default()).await });
    until(|| probe.counts().open == 2).await;
    a.engine.close().await;
    assert_eq!(within(run).await.unwrap().unwrap_err().code(), "ERR_CLOSED");
    assert_eq!(coordinator.sync_all(CancellationToken::default()).await.unwrap_err().code(), "ERR_CLOSED");
    assert_eq!(
        coordinator.health_check(CancellationToken::default()).await.unwrap_err().code(),
        "ERR_CLOSED"
    );
    assert_eq!(coordinator.shard_states().unwrap_err().code(), "ERR_CLOSED");
}
