use std::sync::Arc;

use vectr_delta::{Message, Reject};
use vectr_transport::{Access, Listener, PeerStream};

use crate::SyncError;
use crate::cancel::Cancel;
use crate::drive::{Escort, drive, settle};
use crate::engine::Engine;
use crate::observer::Observer;
use crate::read_only::FORBIDDEN;
use crate::shard_store::{NOT_SHARED, ShardStore};
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
    let (peer, address, rights) = (stream.peer, stream.remote.to_string(), stream.rights());
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
    // Before anything is looked up: a shard that is not there answers alike.
    if rights.access(&shard) == Access::None {
        wire.send(Message::Reject(Reject {
            code: FORBIDDEN.into(),
            reason: NOT_SHARED.into(),
            retry: false,
        }));
        engine.see_off(wire.finish());
        return Ok(());
    }
    engine.adopt_strategy(&shard).await?;
    let mut store = ShardStore::new(engine.db.clone(), shard.clone());
    store.keep_to(rights);
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
