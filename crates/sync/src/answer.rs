use std::sync::Arc;

use vectr_delta::Message;
use vectr_transport::{Listener, PeerStream};

use crate::SyncError;
use crate::cancel::Cancel;
use crate::drive::{Escort, drive, settle};
use crate::engine::Engine;
use crate::observer::Observer;
use crate::shard_store::ShardStore;
use crate::wire::{Arrival, Wire};

/// Answers other nodes' syncs until the listener or the engine is closed.
pub(crate) async fn answer_all(engine: Arc<Engine>, listener: Listener) {
    while let Some(stream) = listener.accept().await {
        let engine = Arc::clone(&engine);
        tokio::spawn(async move {
            // The peer has been told what went wrong, and tries again if that can help.
            let _ = answer(&engine, stream).await;
        });
    }
}

async fn answer(engine: &Engine, stream: PeerStream) -> Result<(), SyncError> {
    let (peer, address) = (stream.peer, stream.remote.to_string());
    let mut wire = Wire::new(stream);
    let mut closed = engine.closing.token();
    let first = tokio::select! {
        arrival = tokio::time::timeout(engine.network.endpoint.idle_timeout, wire.receive()) => arrival,
        () = closed.cancelled() => return Err(SyncError::Closed),
    };
    let Ok(Arrival::Message(message)) = first else { return Ok(()) };
    let (shard, hello) = match *message {
        Message::Open(shard) => (shard, None),
        Message::Hello(hello) => (hello.shard.clone(), Some(Message::Hello(hello))),
        _ => return Ok(()),
    };
    engine.adopt_strategy(&shard).await?;
    let mut store = ShardStore::new(engine.db.clone(), shard.clone());
    let mut session = engine.session(peer, shard.clone(), true);
    if let Some(hello) = hello {
        session.receive(hello);
    }
    let mut escort = Escort {
        address: &address,
        silence: engine.network.endpoint.idle_timeout,
        closed,
        aborted: Cancel::default(),
        observer: Observer::new(engine, &shard, &address, None),
        reopens: false,
    };
    let outcome = drive(&mut session, &mut wire, &mut store, &mut escort).await;
    escort.observer.finish(&outcome);
    engine.see_off(wire.finish());
    engine.see_off(tokio::spawn(settle(session, store)));
    if outcome.is_ok() {
        engine.conclude(&shard, true);
    }
    outcome
}
