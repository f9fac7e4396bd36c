use std::collections::BTreeMap;

use tokio::task::JoinSet;

use vectr_delta::NodeName;
use vectr_transport::Endpoint;

use super::peer::Peer;
use super::scheduler::Agenda;
use crate::SyncError;
use crate::engine::sync_engine::Engine;

/// Calls each peer once, all in parallel within the bound on connection attempts. Whether each answered.
pub(super) async fn call_all(
    engine: &Engine,
    agenda: &Agenda,
) -> Result<BTreeMap<NodeName, bool>, SyncError> {
    let endpoint = engine.endpoint()?;
    let mut calls = JoinSet::new();
    for peer in agenda.peers() {
        // It is somebody's question how things stand now: it goes before all tasks.
        let rank = agenda.next_rank(i32::MAX);
        let place = agenda.shared.places.acquire(rank).await;
        let endpoint = endpoint.clone();
        calls.spawn(async move {
            let answered = answers(&endpoint, &peer).await;
            drop(place);
            (peer, answered)
        });
    }
    let mut health = BTreeMap::new();
    while let Some(ended) = calls.join_next().await {
        // Only a runtime that is shutting down drops the work.
        let (peer, answered) = ended.map_err(|_| SyncError::Closed)?;
        agenda.note_call(&peer.address, engine.db.now(), answered);
        health.insert(peer.node, answered);
    }
    Ok(health)
}

async fn answers(endpoint: &Endpoint, peer: &Peer) -> bool {
    endpoint.ping(&peer.address).await.is_ok()
}
