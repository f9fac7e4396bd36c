use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use vectr_sync::{CancellationSource, CancellationToken};

use super::probe::Probe;
use super::support::{coordinator, patience, put, shard, until, within};
use crate::support::{Node, quick};

/// Change ids count up over all shards of a database.
fn order_of_arrival<'n>(node: &Node, shards: &[&'n str]) -> Vec<&'n str> {
    let mut shards = shards.to_vec();
    shards.sort_by_key(|name| node.engine.shard_state(&shard(name)).unwrap().change_id);
    shards
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_then_age_decides_who_goes_first() {
    let (a, b) = (Node::new("a"), Node::new("b"));
    let address = b.listen().await;
    let coordinator = coordinator(&a, 1);
    let scheduled = [("low", 1), ("high", 9), ("middle", 5), ("high too", 9), ("lowest", -3)];
    for (name, priority) in scheduled {
        put(&a, &shard(name), "v");
        coordinator.scheduler().schedule(shard(name), &address, priority);
    }
    let results = coordinator.execute_tasks(CancellationToken::default()).await.unwrap();
    let names: Vec<&str> = results.iter().map(|result| result.shard.as_str()).collect();
    assert_eq!(names, ["high", "high too", "middle", "low", "lowest"]);
    assert!(results.iter().all(|result| result.is_success() && result.address == address));
    assert_eq!(order_of_arrival(&b, &names), names);
    assert_eq!(coordinator.scheduler().pending_tasks(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_5_is_seen_as_5_at_once_and_never_6_over_all_calls() {
    let mut config = quick();
    config.max_retries(0);
    let a = Node::with("a", config, patience(Duration::from_secs(3_600), Duration::from_secs(3_600)));
    let coordinator = coordinator(&a, 5);
    let probe = Probe::default();
    let mut peers = Vec::new();
    for _ in 0..6 {
        peers.push(probe.mute_peer().await.unwrap());
    }
    let run = |shards: Range<usize>| {
        for number in shards {
            for (_, address) in &peers {
                coordinator.scheduler().schedule(shard(&format!("s{number}")), address, 0);
            }
        }
        let running = coordinator.clone();
        tokio::spawn(async move { running.execute_tasks(CancellationToken::default()).await.unwrap() })
    };
    let first = run(0..1);
    until(|| coordinator.scheduler().pending_tasks() == 0).await;
    let calls = [first, run(1..3)];
    until(|| probe.counts().open == 5 && coordinator.scheduler().active_syncs() == 5).await;
    for ended in 1..=13 {
        probe.hang_up(1);
        until(|| probe.counts().ever == 5 + ended && probe.counts().open == 5).await;
        assert_eq!(coordinator.scheduler().active_syncs(), 5);
    }
    probe.hang_up(5);
    for (call, tasks) in calls.into_iter().zip([6, 12]) {
        let ended = within(call).await.unwrap();
        assert_eq!(ended.len(), tasks);
        assert!(ended.iter().all(|result| result.failure.is_some()), "{ended:?}");
    }
    assert_eq!((probe.counts().most, probe.counts().ever), (5, 18));
    assert_eq!(coordinator.scheduler().active_syncs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_hangs_is_cut_and_the_next_has_its_turn() {
    let a = Node::with("a", quick(), patience(Duration::from_secs(30), Duration::from_secs(2)));
    let coordinator = coordinator(&a, 1);
    let probe = Probe::default();
    let peers = [probe.mute_peer().await.unwrap(), probe.mute_peer().await.unwrap()];
    for (_, address) in &peers {
        coordinator.scheduler().schedule(shard("s"), address, 0);
    }
    let results = within(coordinator.execute_tasks(CancellationToken::default())).await.unwrap();
    let codes: Vec<String> = results.into_iter().map(|result| result.failure.unwrap().code).collect();
    assert_eq!(codes, ["ERR_TIMEOUT"; 2]);
    assert_eq!(probe.counts().ever, 2);
    until(|| probe.counts().open == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_urgent_tasks_of_another_call_overtake() {
    let (a, b) = (
        Node::with("a", quick(), patience(Duration::from_secs(30), Duration::from_secs(60))),
        Node::new("b"),
    );
    let address = b.listen().await;
    let coordinator = coordinator(&a, 1);
    let probe = Probe::default();
    let (_endpoint, mute) = probe.mute_peer().await.unwrap();
    // Connected beforehand: all that come later wait for the one permit.
    a.engine.ping(&address).await.unwrap();
    let cancel = CancellationSource::new();
    let blocker = tokio::spawn({
        coordinator.scheduler().schedule(shard("blocker"), &mute, 100);
        let (coordinator, abort) = (coordinator.clone(), cancel.token());
        async move { coordinator.execute_tasks(abort).await }
    });
    until(|| probe.counts().open == 1).await;
    let started = Arc::new(Semaphore::new(0));
    let mut calls = Vec::new();
    for (name, priority) in [("low", 1), ("high", 7), ("middle", 3)] {
        put(&a, &shard(name), "v");
        coordinator.scheduler().schedule(shard(name), &address, priority);
        let (coordinator, begun) = (coordinator.clone(), Arc::clone(&started));
        calls.push(tokio::spawn(async move {
            let execution = coordinator.execute_tasks(CancellationToken::default());
            tokio::pin!(execution);
            // The first look takes the tasks, and queues for the permit.
            let first = std::future::poll_fn(|context| {
                std::task::Poll::Ready(execution.as_mut().poll(context).is_ready())
            });
            assert!(!first.await);
            begun.add_permits(1);
            assert!(execution.await.unwrap()[0].is_success());
        }));
        started.acquire().await.unwrap().forget();
    }
    cancel.cancel();
    assert_eq!(blocker.await.unwrap().unwrap_err().code(), "ERR_ABORTED");
    for call in calls {
        within(call).await.unwrap();
    }
    assert_eq!(order_of_arrival(&b, &["low", "high", "middle"]), ["high", "middle", "low"]);
}

/// The one permit is free while a task rests that had it: all others are done in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_waiting_for_its_retry_starves_no_other() {
    let mut config = quick();
    config.max_retries(1).retry_backoff(Duration::from_secs(3_600));
    let a = Node::with("a", config, patience(Duration::from_secs(30), Duration::from_secs(2)));
    let b = Node::new("b");
    let address = b.listen().await;
    let coordinator = coordinator(&a, 1);
    let probe = Probe::default();
    let (_endpoint, mute) = probe.mute_peer().await.unwrap();
    coordinator.scheduler().schedule(shard("s"), &mute, 9);
    let cancel = CancellationSource::new();
    let (run, abort) = (coordinator.clone(), cancel.token());
    let run = tokio::spawn(async move { run.execute_tasks(abort).await });
    until(|| probe.counts().open == 1).await;
    for number in 0..10 {
        coordinator.scheduler().schedule(shard(&format!("s{number}")), &address, 1);
    }
    let results = within(coordinator.execute_tasks(CancellationToken::default())).await.unwrap();
    assert!(results.iter().all(|result| result.is_success() && result.attempts == 1), "{results:?}");
    assert!(!run.is_finished());
    cancel.cancel();
    assert_eq!(within(run).await.unwrap().unwrap_err().code(), "ERR_ABORTED");
}
