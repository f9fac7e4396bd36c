use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use vectr_delta::{Message, Reject, ShardId};
use vectr_transport::{Access, Listener, PeerRights, PeerStream};

use crate::SyncError;
use crate::cancellation::CancellationToken;
use crate::context::Context;
use crate::limits::arrivals::NO_ROOM;
use crate::limits::bounds::LIMIT;
use crate::server::router::ShardRouter;
use crate::session::driver::{DriveContext, drive, settle};
use crate::session::monitor::SessionMonitor;
use crate::session::read_only::FORBIDDEN;
use crate::session::shard_store::{NOT_SHARED, ShardStore};
use crate::session::wire::{Arrival, Wire};

/// Answers syncs of other nodes until the listener or the engine is closed.
pub(crate) async fn serve(router: Arc<ShardRouter>, listener: Listener) {
    while let Some(stream) = listener.accept().await {
        let router = Arc::clone(&router);
        tokio::spawn(async move {
            // The peer was told the error, and retries if that can help.
            let _ = receive(&router, stream).await;
        });
    }
}

/// Waits for the first message, which names the shard, and routes the stream to its engine.
async fn receive(router: &ShardRouter, stream: PeerStream) -> Result<(), SyncError> {
    let primary = &router.primary;
    let mut closed = primary.closing.token();
    let initiator =
        RemoteInitiator { peer: stream.peer, address: stream.remote.to_string(), rights: stream.rights() };
    let streams = stream.allowances();
    let (peer, codecs) = (stream.peer, primary.config.codecs());
    let (sent, arriving, received) =
        (primary.send_account(), primary.arriving(peer), primary.receive_account(peer));
    let mut wire = Wire::new(stream, codecs, sent, arriving, received);
    let first = tokio::select! {
        message = receive_first(&mut wire, primary.network.endpoint.idle_timeout) => message,
        () = closed.cancelled() => return Err(SyncError::Closed),
    };
    let message = match first {
        Some(Arrival::Message(message)) => message,
        Some(Arrival::NoRoom) => return refuse(primary, wire, LIMIT, NO_ROOM, true),
        _ => return Ok(()),
    };
    let shard = match (&*message, message.hello()) {
        (Message::Open(open), _) => open.shard.clone(),
        (_, Some(hello)) => hello.shard.clone(),
        _ => return Ok(()),
    };
    // Checked before any lookup, so that the answer does not reveal whether the shard exists.
    if initiator.rights.access(&shard) == Access::None {
        return refuse(primary, wire, FORBIDDEN, NOT_SHARED, false);
    }
    let Some(context) = router.context(&shard) else {
        router.active.refuse();
        return refuse(
            primary,
            wire,
            "ERR_NOT_FOUND",
            "this node does not serve a shard of that name",
            false,
        );
    };
    let Some(_running) = router.active.begin() else {
        return refuse(primary, wire, "ERR_BUSY", "this node is shutting down", true);
    };
    // The stream of a shard's session takes no place from what the peer opens besides.
    let place = primary.shard_streams.try_acquire().ok();
    let allowance = place.as_ref().and_then(|_| streams.take(shard.as_str()));
    let outcome = respond(context, wire, initiator, shard, *message, router.active.draining()).await;
    drop((allowance, place));
    outcome
}

/// What a session begins with. Each part of it may take the idle timeout.
async fn receive_first(wire: &mut Wire, idle_timeout: Duration) -> Option<Arrival> {
    loop {
        match tokio::time::timeout(idle_timeout, wire.receive()).await.ok()? {
            // Of a Hello of a great many sites.
            Arrival::Part if !wire.is_too_slow(idle_timeout, true) => {}
            Arrival::Part => return None,
            arrival => return Some(arrival),
        }
    }
}

struct RemoteInitiator {
    peer: vectr_delta::Fingerprint,
    address: String,
    rights: PeerRights,
}

async fn respond(
    context: &Context,
    mut wire: Wire,
    initiator: RemoteInitiator,
    shard: ShardId,
    first: Message,
    draining: CancellationToken,
) -> Result<(), SyncError> {
    if !context.limits.allows_session(&shard, initiator.peer) {
        return refuse(context, wire, LIMIT, TOO_MANY_RESTARTS, true);
    }
    context.apply_strategy_if_there(&shard).await?;
    let mut store = ShardStore::new(context, shard.clone(), wire.account());
    store.keep_to(initiator.rights);
    store.serve_peer();
    let mut session = context.session(initiator.peer, shard.clone(), true);
    session.receive(first);
    let mut drive_context = DriveContext {
        address: &initiator.address,
        idle_timeout: context.network.endpoint.idle_timeout,
        closed: context.closing.token(),
        aborted: CancellationToken::default(),
        draining,
        monitor: SessionMonitor::new(context, &shard, &initiator.address, None),
        reopen: false,
    };
    let began = Instant::now();
    let outcome = drive(&mut session, &mut wire, &mut store, &mut drive_context).await;
    let outcome = match outcome {
        Err(error) if error.is_restart() => {
            context.note_restart(&shard, initiator.peer, &initiator.address, began).and(Err(error))
        }
        outcome => outcome,
    };
    let counter = drive_context.monitor.finish(&session, &outcome);
    let traffic = wire.traffic();
    let (flushed, received) = wire.finish();
    context.tasks.track(tokio::spawn(async move {
        // Bounded by `FLUSH_TIMEOUT`.
        let _ = flushed.await;
        counter.finish(&traffic);
    }));
    context.tasks.track(tokio::spawn(settle(session, store, received)));
    if outcome.is_ok() {
        context.record_outcome(&shard, true);
    }
    outcome
}

/// Rejects the session. The peer learns nothing else, not even whether the shard exists.
fn refuse(
    context: &Context,
    wire: Wire,
    code: &'static str,
    reason: &'static str,
    retry: bool,
) -> Result<(), SyncError> {
    wire.send(Message::Reject(Reject { code: code.into(), reason: reason.into(), retry }));
    context.tasks.track(wire.finish().0);
    Err(SyncError::Session { code: code.into(), message: reason.into(), retry })
}

const TOO_MANY_RESTARTS: &str = "sessions of this shard with you were begun anew too often: wait, and look which of the two nodes takes a new site each time";
