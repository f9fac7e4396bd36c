use std::collections::BTreeMap;

use tokio::task::JoinSet;

use vectr_delta::NodeName;
use vectr_transport::Endpoint;

use super::peer::Peer;
use super::scheduler::Scheduler;
use crate::SyncError;
use crate::context::Context;

/// Pings each peer once, in parallel within the limit of connection attempts. Returns which peers answered.
pub(super) async fn ping_all(
    context: &Context,
    scheduler: &Scheduler,
) -> Result<BTreeMap<NodeName, bool>, SyncError> {
    let endpoint = context.endpoint()?;
    let mut calls = JoinSet::new();
    for peer in scheduler.peers() {
        // Health checks are interactive and outrank every task.
        let rank = scheduler.next_rank(f64::INFINITY);
        let permit = scheduler.shared.dial_permits.acquire(rank).await;
        let endpoint = endpoint.clone();
        calls.spawn(async move {
            let answered = responds(&endpoint, &peer).await;
            drop(permit);
            (peer, answered)
        });
    }
    let mut health = BTreeMap::new();
    while let Some(ended) = calls.join_next().await {
        // Only a runtime that is shutting down drops the work.
        let (peer, answered) = ended.map_err(|_| SyncError::Closed)?;
        scheduler.record_contact(&peer.address, context.db.now(), answered);
        health.insert(peer.node, answered);
    }
    Ok(health)
}

async fn responds(endpoint: &Endpoint, peer: &Peer) -> bool {
    endpoint.ping(&peer.address).await.is_ok()
}
