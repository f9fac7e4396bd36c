use std::time::Duration;

use tokio::time::Instant;

use vectr_delta::{Ending, Session, StoreReply};

use crate::engine::retry::MAX_RETRY_DELAY;
use crate::limits::arrivals::NO_ROOM;
use crate::limits::bounds::LIMIT;
use crate::limits::receive_budget::ReceiveAccount;
use crate::session::monitor::SessionMonitor;
use crate::session::patience::{Patience, Waits};
use crate::session::shard_store::ShardStore;
use crate::session::wire::{Arrival, Wire};
use crate::{CancellationToken, SyncError};

/// Context in which a session is driven.
pub(crate) struct DriveContext<'e> {
    /// The peer's address, for error messages.
    pub(crate) address: &'e str,
    /// How long the peer may be silent while it is its turn.
    pub(crate) idle_timeout: Duration,
    /// Cancelled when the engine closes.
    pub(crate) closed: CancellationToken,
    pub(crate) aborted: CancellationToken,
    /// Cancelled when this node drains: a live session ends as soon as it has caught up, any other one when it is
    /// done.
    pub(crate) draining: CancellationToken,
    /// Told of each step.
    pub(crate) monitor: SessionMonitor<'e>,
    /// Ends a live session with held-back rows after `MAX_RETRY_DELAY`, so that a new one can retry them.
    pub(crate) reopen: bool,
}

/// Runs a session to its end. What it applied stays applied, however it ends.
pub(crate) async fn drive(
    session: &mut Session,
    wire: &mut Wire,
    store: &mut ShardStore,
    context: &mut DriveContext<'_>,
) -> Result<(), SyncError> {
    let (traffic, account) = (wire.traffic(), wire.account());
    let mut patience = Patience::new(context.idle_timeout, Instant::now());
    let (mut reopen_at, mut told) = (None, Instant::now());
    loop {
        note_received(session, wire);
        let is_full = pump(session, wire, store);
        context.monitor.on_step(session, &traffic);
        let reads = reads_on(session, wire);
        if session.ending().is_none() && wire.is_too_slow(context.idle_timeout, reads) {
            session.reject(LIMIT, "a large message arrives too slowly while others find no room", true);
            continue;
        }
        if let Some(ending) = session.ending() {
            return outcome_of(ending, context.address);
        }
        if context.reopen && reopen_at.is_none() && session.report().has_held_back() {
            reopen_at = Some(Instant::now() + MAX_RETRY_DELAY);
        }
        // Between commits a live peer is silent; the connection detects whether it is still there.
        let at_rest = session.is_live() && session.is_settled();
        // A peer that reads all of its rows is silent as well, for as long as that takes.
        let is_repairing = session.is_repairing();
        let waits = |store: &ShardStore, wire: &Wire| {
            let is_mid_message = wire.is_mid_message();
            let for_peer = is_mid_message || !store.is_working() && !at_rest && !wire.has_large();
            let patience = if is_repairing && !is_mid_message { REPAIR_PATIENCE } else { 1 };
            Waits { for_peer: for_peer && reads, patience }
        };
        let look_at = patience.next_look(waits(store, wire), account.progress(), Instant::now());
        tokio::select! {
            arrival = wire.receive(), if reads => {
                patience.note_heard(Instant::now());
                receive_arrival(session, arrival)?;
                note_received(session, wire);
                // An End usually follows its batch directly: apply both in one transaction.
                while session.ending().is_none()
                    && reads_on(session, wire)
                    && let Some(arrival) = wire.poll()
                {
                    receive_arrival(session, arrival)?;
                    note_received(session, wire);
                }
            }
            reply = store.reply() => {
                patience.note_heard(Instant::now());
                context.monitor.on_store_reply(&reply);
                session.handle_store(reply);
            }
            // What has been left in the session can go on.
            () = account.room(), if is_full => {}
            () = tokio::time::sleep_until(reopen_at.unwrap_or_else(Instant::now)), if reopen_at.is_some() => {
                session.reject("ERR_RESTART", "retrying rows that were held back", true);
            }
            () = tokio::time::sleep_until(look_at.unwrap_or_else(Instant::now)), if look_at.is_some() => {
                if let Some(reason) = patience.verdict(waits(store, wire), account.progress(), Instant::now()) {
                    return give_up(session, wire, store, context, reason);
                }
            }
            // Whoever sends it may be so slow that this is not woken.
            () = tokio::time::sleep(context.idle_timeout / 3), if wire.is_large_arriving() => {}
            // The peer waits for an answer for as long as its message waits for its turn, and may be gone.
            () = tokio::time::sleep_until(told + context.idle_timeout / 3), if wire.has_large() => {
                told = Instant::now();
                if wire.is_broken() {
                    session.handle_disconnect("the peer is gone");
                }
                session.repeat_ack();
            }
            () = context.aborted.cancelled() => {
                session.reject("ERR_ABORTED", "the other side aborted the sync", true);
                pump(session, wire, store);
                return Err(SyncError::Aborted);
            }
            () = context.draining.cancelled(), if at_rest => return close(session, wire, store),
            () = context.closed.cancelled() => return close(session, wire, store),
        }
    }
}

/// Counts what the session has not applied, and ends its turn once all rows of its large message are. Where the node has
/// no room, nothing waits for a word of the peer.
fn note_received(session: &mut Session, wire: &Wire) {
    let (received, unapplied) = (wire.received(), session.unapplied_bytes() as u64);
    received.note_unapplied(unapplied);
    if unapplied > 0 && !received.has_room() && !session.is_applying() {
        session.let_ends_pass();
    }
    if session.unapplied_bytes() == 0 || !session.is_applying() {
        received.end_turn();
    }
}

/// Whether to take another message of the peer. Where the node has no room, only a session whose own storage has nothing
/// to do does: it may need to, to go on. A large message is unpacked once the session has applied what came before it, so
/// that it gives back the node's turn as soon as it can.
fn reads_on(session: &Session, wire: &Wire) -> bool {
    if wire.has_large() {
        return wire.is_decoding() || !session.is_applying();
    }
    !session.is_saturated() && (wire.received().has_room() || !session.is_applying())
}

/// Completes the storage requests of an ended session, which may have learnt that this node has to take a new site.
pub(crate) async fn settle(mut session: Session, mut store: ShardStore, received: ReceiveAccount) {
    loop {
        while let Some(request) = session.poll_store() {
            store.start(request);
        }
        if !store.is_working() {
            return;
        }
        let reply = store.reply().await;
        if reply.applied().is_some() || matches!(reply, StoreReply::Failed { .. }) {
            received.note_unapplied(0);
            received.end_turn();
        }
        session.handle_store(reply);
    }
}

fn close(session: &mut Session, wire: &Wire, store: &mut ShardStore) -> Result<(), SyncError> {
    session.reject("ERR_CLOSED", "the other side is closing", true);
    pump(session, wire, store);
    Err(SyncError::Closed)
}

fn give_up(
    session: &mut Session,
    wire: &Wire,
    store: &mut ShardStore,
    context: &DriveContext<'_>,
    reason: &str,
) -> Result<(), SyncError> {
    session.reject("ERR_TIMEOUT", reason, true);
    pump(session, wire, store);
    Err(SyncError::Silent { address: context.address.to_owned(), seconds: context.idle_timeout.as_secs() })
}

fn receive_arrival(session: &mut Session, arrival: Arrival) -> Result<(), SyncError> {
    match arrival {
        Arrival::Message(message) => session.receive(*message),
        Arrival::Part => {}
        Arrival::NoRoom => session.reject(LIMIT, NO_ROOM, true),
        Arrival::Unreadable(error) => session.reject(error.code(), &error.to_string(), true),
        Arrival::End(Some(error)) => {
            session.handle_disconnect(&error.to_string());
            return Err(error.into());
        }
        Arrival::End(None) => session.handle_disconnect("the peer ended the stream"),
    }
    Ok(())
}

/// Sends what the stream takes, and all that is left once the session has ended. Whether something may have been left for
/// want of room.
fn pump(session: &mut Session, wire: &Wire, store: &mut ShardStore) -> bool {
    let account = wire.account();
    let is_full = loop {
        if !account.has_room() && session.ending().is_none() {
            break true;
        }
        let Some(message) = session.poll_transmit() else { break false };
        wire.send(message);
    };
    while let Some(request) = session.poll_store() {
        store.start(request);
    }
    is_full
}

fn outcome_of(ending: &Ending, address: &str) -> Result<(), SyncError> {
    match ending {
        Ending::Finished => Ok(()),
        Ending::Failed { code, reason, retry, by_peer } => {
            let message = if *by_peer { format!("peer {address} refused: {reason}") } else { reason.clone() };
            Err(SyncError::Session { code: code.clone(), message, retry: *retry })
        }
    }
}

/// How many times as long a repair may be silent.
const REPAIR_PATIENCE: u32 = 40;
