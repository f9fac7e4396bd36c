use std::sync::Arc;

use vectr_delta::{Message, Reject, ShardId};
use vectr_transport::{Access, Listener, PeerRights, PeerStream};

use crate::SyncError;
use crate::cancellation::Cancel;
use crate::engine::sync_engine::Engine;
use crate::server::router::Directory;
use crate::session::driver::{Escort, drive, settle};
use crate::session::monitor::Observer;
use crate::session::read_only::FORBIDDEN;
use crate::session::shard_store::{NOT_SHARED, ShardStore};
use crate::session::wire::{Arrival, Wire};

/// Answers other nodes' syncs until the listener or the engine is closed.
pub(crate) async fn answer_all(directory: Arc<Directory>, listener: Listener) {
    while let Some(stream) = listener.accept().await {
        let directory = Arc::clone(&directory);
        tokio::spawn(async move {
            // The peer has been told what went wrong, and tries again if that can help.
            let _ = receive(&directory, stream).await;
        });
    }
}

/// Waits for the first message, which names the shard, and hands the stream to the engine that answers for it.
async fn receive(directory: &Directory, stream: PeerStream) -> Result<(), SyncError> {
    let front = &directory.front;
    let mut closed = front.closing.token();
    let caller = Caller { peer: stream.peer, address: stream.remote.to_string(), rights: stream.rights() };
    let mut wire = Wire::new(stream);
    let first = tokio::select! {
        arrival = tokio::time::timeout(front.network.endpoint.idle_timeout, wire.receive()) => arrival,
        () = closed.cancelled() => return Err(SyncError::Closed),
    };
    let Ok(Arrival::Message(message)) = first else { return Ok(()) };
    let (shard, hello) = match *message {
        Message::Open(shard) => (shard, None),
        Message::Hello(hello) => (hello.shard.clone(), Some(Message::Hello(hello))),
        _ => return Ok(()),
    };
    // Before anything is looked up: a shard that is not there answers alike.
    if caller.rights.access(&shard) == Access::None {
        return refuse(front, wire, FORBIDDEN, NOT_SHARED, false);
    }
    let Some(engine) = directory.engine(&shard) else {
        directory.sessions.refuse();
        return refuse(front, wire, "ERR_NOT_FOUND", "no shard of this name is served here", false);
    };
    let Some(_running) = directory.sessions.begin() else {
        return refuse(front, wire, "ERR_BUSY", "this node is shutting down", true);
    };
    answer(engine, wire, caller, shard, hello, directory.sessions.draining()).await
}

struct Caller {
    peer: vectr_delta::Fingerprint,
    address: String,
    rights: PeerRights,
}

async fn answer(
    engine: &Engine,
    mut wire: Wire,
    caller: Caller,
    shard: ShardId,
    hello: Option<Message>,
    draining: Cancel,
) -> Result<(), SyncError> {
    engine.adopt_strategy(&shard).await?;
    let mut store = ShardStore::new(engine.db.clone(), shard.clone());
    store.keep_to(caller.rights);
    let mut session = engine.session(caller.peer, shard.clone(), true);
    if let Some(hello) = hello {
        session.receive(hello);
    }
    let mut escort = Escort {
        address: &caller.address,
        silence: engine.network.endpoint.idle_timeout,
        closed: engine.closing.token(),
        aborted: Cancel::default(),
        draining,
        observer: Observer::new(engine, &shard, &caller.address, None),
        reopens: false,
    };
    let outcome = drive(&mut session, &mut wire, &mut store, &mut escort).await;
    let tally = escort.observer.finish(&session, &outcome);
    let (traffic, farewell) = (wire.traffic(), wire.finish());
    engine.see_off(tokio::spawn(async move {
        // It ends by itself within its own bound.
        let _ = farewell.await;
        tally.count_last_bytes(&traffic);
    }));
    engine.see_off(tokio::spawn(settle(session, store)));
    if outcome.is_ok() {
        engine.conclude(&shard, true);
    }
    outcome
}

/// Tells the peer why there is no session. It hears nothing else: not even that the shard exists.
fn refuse(
    engine: &Engine,
    wire: Wire,
    code: &'static str,
    reason: &'static str,
    retry: bool,
) -> Result<(), SyncError> {
    wire.send(Message::Reject(Reject { code: code.into(), reason: reason.into(), retry }));
    engine.see_off(wire.finish());
    Err(SyncError::Session { code: code.into(), message: reason.into(), retry })
}
