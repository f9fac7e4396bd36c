//! Conflicts that a callback decides.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;

use vectr_core::StoredConflict;
use vectr_delta::{LocalWrite, Strategy};
use vectr_sync::{
    CancellationSource, CancellationToken, ConflictCallback, ConflictDecision, ConflictOutcome,
    NetworkConfig, Patience, Peer, PeerStatus, Scheduler, ShardCoordinator, SyncEvent, SyncOptions,
};

use crate::support::{Node, payload, shard, strategy};

fn manual(name: &str) -> Node {
    Node::with(name, strategy(Strategy::Manual), NetworkConfig::default())
}

/// Two nodes that wrote different versions of the same vectors.
fn in_conflict(vectors: usize) -> [Node; 2] {
    let nodes = [manual("a"), manual("b")];
    for (node, component) in nodes.iter().zip([1.0, 2.0]) {
        (0..vectors).for_each(|n| node.put(&format!("v{n}"), &[component], "{}"));
    }
    nodes
}

fn choice() -> LocalWrite {
    LocalWrite::Put(payload(&[42.0], r#"{"by":"a callback"}"#))
}

fn decide(
    decision: impl Fn(&StoredConflict) -> ConflictDecision + Send + Sync + 'static,
) -> ConflictCallback {
    let decision = Arc::new(decision);
    ConflictCallback::new(move |conflict| {
        let decision = Arc::clone(&decision);
        async move { decision(&conflict) }
    })
}

/// Whether a node shows the choice.
fn is_chosen(node: &Node, name: &str) -> bool {
    node.get(name).is_some_and(|entry| entry.vector.as_ref() == 42.0_f32.to_le_bytes())
}

fn pending(node: &Node) -> usize {
    node.engine.pending_conflicts(None).unwrap().len()
}

async fn until(condition: impl Fn() -> bool) {
    let search = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(120), search).await.expect("it comes by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_waits_for_the_decisions_and_its_result_counts_them() {
    let [a, b] = in_conflict(3);
    a.engine.on_conflict(decide(|_| Ok(Some(choice())))).unwrap();
    let address = b.listen().await;
    let result = a.synced(&address).await;
    assert_eq!((result.conflicts_detected, result.conflicts_resolved), (3, 3));
    assert!(result.conflicts_unresolved.is_empty());
    assert_eq!(pending(&a), 0);
    assert!(is_chosen(&a, "v0"));
    let again = a.synced(&address).await;
    assert_eq!((again.changes_sent, again.conflicts_resolved), (3, 0), "each counts once");
    assert_eq!((a.digest(), pending(&b)), (b.digest(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn none_leaves_the_conflict_and_the_next_sync_asks_again() {
    let [a, b] = in_conflict(1);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let leave = decide(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(None)
    });
    a.engine.on_conflict(leave).unwrap();
    let address = b.listen().await;
    for times in 1..=3 {
        let result = a.synced(&address).await;
        assert_eq!((result.conflicts_resolved, result.conflicts_unresolved.len()), (0, 1));
        assert_eq!(asked.load(Ordering::SeqCst), times);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_that_are_pending_when_the_callback_is_set_are_decided() {
    let [a, b] = in_conflict(2);
    assert_eq!(a.synced(&b.listen().await).await.conflicts_unresolved.len(), 2);
    a.engine.on_conflict(decide(|_| Ok(Some(LocalWrite::Delete)))).unwrap();
    until(|| pending(&a) == 0).await;
    assert!(a.get("v0").is_none() && a.get("v1").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_of_live_streams_are_decided_on_both_sides() {
    let (a, b) = (manual("a"), manual("b"));
    let resolved = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&resolved);
    // Only the answering side has a callback.
    b.engine
        .on_conflict(decide(|_| Ok(Some(choice()))).on_outcome(move |outcome| {
            if let ConflictOutcome::Resolved { left: None, .. } = outcome {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }))
        .unwrap();
    a.put("v", &[1.0], "{}");
    b.put("v", &[2.0], "{}");
    a.engine.start_auto_sync(&shard(), &b.listen().await, None).unwrap();
    until(|| is_chosen(&a, "v")).await;
    until(|| resolved.load(Ordering::SeqCst) == 1 && pending(&a) + pending(&b) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_fails_or_panics_leaves_the_conflict_and_is_reported() {
    for panics in [false, true] {
        let [a, b] = in_conflict(1);
        let mut events = a.engine.events();
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&outcomes);
        let failing = decide(move |_| {
            assert!(!panics, "a callback that panics");
            Err("no answer".into())
        });
        let report = move |outcome: &ConflictOutcome| seen.lock().unwrap().push(outcome.clone());
        a.engine.on_conflict(failing.on_outcome(report)).unwrap();
        let result = a.synced(&b.listen().await).await;
        assert_eq!((result.conflicts_resolved, result.conflicts_unresolved.len()), (0, 1));
        let failure = loop {
            if let Some(SyncEvent::ConflictCallbackFailed { shard: at, failure }) = events.next().await {
                assert_eq!(at, Some(shard()));
                break failure;
            }
        };
        let reason = if panics { "the callback panicked" } else { "no answer" };
        assert_eq!(failure.code, "ERR_CONFLICT_CALLBACK");
        assert_eq!(failure.message, format!("the conflict callback failed about vector 'v0': {reason}"));
        let outcomes = outcomes.lock().unwrap();
        assert!(matches!(&outcomes[..], [ConflictOutcome::Failed { vector: Some(_), .. }]), "{outcomes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_cannot_be_written_is_a_failure_of_the_callback() {
    let [a, b] = in_conflict(1);
    let mut events = a.engine.events();
    let other_dimensions = decide(|_| Ok(Some(LocalWrite::Put(payload(&[1.0, 2.0, 3.0], "{}")))));
    a.engine.on_conflict(other_dimensions).unwrap();
    assert_eq!(a.synced(&b.listen().await).await.conflicts_unresolved.len(), 1);
    let failure = loop {
        if let Some(SyncEvent::ConflictCallbackFailed { failure, .. }) = events.next().await {
            break failure;
        }
    };
    assert_eq!(failure.code, "ERR_CONFLICT_CALLBACK");
    assert!(failure.message.contains('3') && failure.message.contains("'v0'"), "{}", failure.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_conflicts_are_decided_at_a_time_and_none_twice() {
    let [a, b] = in_conflict(30);
    let (running, most, asked) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let counts = Arc::new((running, most, asked));
    let seen = Arc::clone(&counts);
    let slow = ConflictCallback::new(move |_| {
        let seen = Arc::clone(&seen);
        async move {
            let (running, most, asked) = &*seen;
            asked.fetch_add(1, Ordering::SeqCst);
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // The first eight wait for each other, and so run at the same time.
            while most.load(Ordering::SeqCst) < 8 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(Some(choice()))
        }
    });
    a.engine.on_conflict(slow).unwrap();
    let result = a.synced(&b.listen().await).await;
    assert_eq!(result.conflicts_resolved, 30);
    assert_eq!((counts.1.load(Ordering::SeqCst), counts.2.load(Ordering::SeqCst)), (8, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_syncs_does_not_wait_for_itself() {
    let [a, b] = in_conflict(1);
    let address = b.listen().await;
    let (engine, to) = (a.engine.clone(), address.clone());
    let syncing = ConflictCallback::new(move |_| {
        let (engine, to) = (engine.clone(), to.clone());
        async move {
            let inner = engine.sync(&shard(), &to, SyncOptions::default()).await?;
            assert!(inner.is_success());
            Ok(Some(choice()))
        }
    });
    a.engine.on_conflict(syncing).unwrap();
    assert_eq!(a.synced(&address).await.conflicts_resolved, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_arrives_during_a_decision_is_decided_too() {
    let [a, b] = in_conflict(1);
    let c = manual("c");
    c.put("v0", &[3.0], "{}");
    let to_c = c.listen().await;
    let (engine, asked) = (a.engine.clone(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let late = ConflictCallback::new(move |_| {
        let (engine, to_c, first) = (engine.clone(), to_c.clone(), count.fetch_add(1, Ordering::SeqCst) == 0);
        async move {
            if first {
                engine.sync(&shard(), &to_c, SyncOptions::default()).await?;
            }
            Ok(Some(choice()))
        }
    });
    a.engine.on_conflict(late).unwrap();
    let result = a.synced(&b.listen().await).await;
    assert_eq!((result.conflicts_unresolved.len(), pending(&a)), (0, 0));
    assert!(asked.load(Ordering::SeqCst) >= 2, "what was left was asked about");
    assert!(is_chosen(&a, "v0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_waits_for_the_decisions_and_counts_them() {
    let [a, b] = in_conflict(2);
    a.engine.on_conflict(decide(|_| Ok(Some(choice())))).unwrap();
    let coordinator = ShardCoordinator::new(a.engine.clone(), Scheduler::default());
    coordinator.scheduler().register_peer(Peer {
        node: b.engine.node().clone(),
        address: b.listen().await,
        shards: vec![shard()],
        last_contact: None,
        status: PeerStatus::Unknown,
    });
    let results = coordinator.sync_all(CancellationToken::default()).await.unwrap();
    assert_eq!((results[0].conflicts_resolved, results[0].conflicts_unresolved.len()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impatient_exchange_returns_when_only_the_callback_is_missing() {
    let [a, b] = in_conflict(9);
    let answers = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&answers);
    let waiting = ConflictCallback::new(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await?.forget();
            Ok(Some(choice()))
        }
    });
    a.engine.on_conflict(waiting).unwrap();
    let mut exchange = a.engine.exchange(&shard(), &b.listen().await, SyncOptions::default()).await.unwrap();
    for _ in 0..9 {
        assert!(exchange.settle(Patience::UntilAsked).await.unwrap().is_none());
        a.engine.conflicts_asked().await;
        let left = pending(&a);
        answers.add_permits(1);
        until(|| pending(&a) < left).await;
    }
    let settled = async {
        loop {
            if let Some(results) = exchange.settle(Patience::UntilAsked).await.unwrap() {
                break results;
            }
        }
    };
    let results = settled.await;
    assert_eq!((results[0].conflicts_resolved, results[0].conflicts_unresolved.len()), (9, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_without_patience_asks_and_waits_for_no_answer() {
    let [a, b] = in_conflict(1);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let silent = ConflictCallback::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    });
    a.engine.on_conflict(silent).unwrap();
    let mut exchange = a.engine.exchange(&shard(), &b.listen().await, SyncOptions::default()).await.unwrap();
    let results = exchange.settle(Patience::None).await.unwrap().unwrap();
    assert_eq!((results[0].conflicts_resolved, results[0].conflicts_unresolved.len()), (0, 1));
    until(|| asked.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_waits_for_the_callback_ends_on_abort() {
    let [a, b] = in_conflict(1);
    a.engine.on_conflict(ConflictCallback::new(|_| std::future::pending())).unwrap();
    let abort = CancellationSource::new();
    let mut options = SyncOptions::default();
    options.abort(abort.token());
    let mut exchange = a.engine.exchange(&shard(), &b.listen().await, options).await.unwrap();
    let waiting = tokio::spawn(async move { exchange.settle(Patience::Unlimited).await.map(drop) });
    abort.cancel();
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), "ERR_ABORTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_waits_for_the_callback_ends_when_its_time_is_up() {
    // A time that is too short for the exchange says nothing.
    for exponent in 0.. {
        let [a, b] = in_conflict(1);
        a.engine.on_conflict(ConflictCallback::new(|_| std::future::pending())).unwrap();
        let mut options = SyncOptions::default();
        options.timeout(Duration::from_millis(250 << exponent));
        let result = a.engine.sync(&shard(), &b.listen().await, options).await.unwrap();
        assert_eq!(result.failure.as_ref().unwrap().code, "ERR_TIMEOUT", "{result:?}");
        if result.changes_applied == 1 {
            assert_eq!((result.conflicts_resolved, result.conflicts_unresolved.len()), (0, 1));
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_of_the_callback_has_one_outcome() {
    let [a, b] = in_conflict(3);
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&outcomes);
    let mixed = decide(|conflict| match conflict.id.as_str() {
        "v0" => Ok(None),
        "v1" => Ok(Some(LocalWrite::Put(payload(&[1.0, 2.0, 3.0], "{}")))),
        _ => Ok(Some(choice())),
    });
    let report = move |outcome: &ConflictOutcome| seen.lock().unwrap().push(outcome.clone());
    a.engine.on_conflict(mixed.on_outcome(report)).unwrap();
    a.synced(&b.listen().await).await;
    let mut outcomes: Vec<_> = outcomes
        .lock()
        .unwrap()
        .iter()
        .map(|outcome| match outcome {
            ConflictOutcome::Left { conflict } => format!("{} is left", conflict.id),
            ConflictOutcome::Failed { conflict: Some(_), vector: Some(vector), failure, cause, .. } => {
                format!("{vector} failed with {}, because of {}", failure.code, cause.code)
            }
            ConflictOutcome::Resolved { conflict, left: None } => format!("{} is resolved", conflict.id),
            other => format!("{other:?}"),
        })
        .collect();
    outcomes.sort();
    assert_eq!(
        outcomes,
        ["v0 is left", "v1 failed with ERR_CONFLICT_CALLBACK, because of ERR_DIMENSIONS", "v2 is resolved"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_engine_waits_for_no_callback_and_takes_no_new_one() {
    let [a, b] = in_conflict(1);
    a.engine.on_conflict(ConflictCallback::new(|_| std::future::pending())).unwrap();
    let address = b.listen().await;
    let (engine, to) = (a.engine.clone(), address.clone());
    let syncing = tokio::spawn(async move { engine.sync(&shard(), &to, SyncOptions::default()).await });
    until(|| pending(&a) == 1).await;
    a.engine.close().await;
    let ended = tokio::time::timeout(std::time::Duration::from_secs(120), syncing).await.unwrap().unwrap();
    match ended {
        Ok(result) => assert_eq!(result.conflicts_resolved, 0),
        Err(error) => assert_eq!(error.code(), "ERR_CLOSED", "it was cut off before its end"),
    }
    assert_eq!(a.db.pending_conflicts(None).unwrap().len(), 1);
    let refused = a.engine.on_conflict(decide(|_| Ok(None))).unwrap_err();
    assert_eq!(refused.code(), "ERR_CLOSED");
}
