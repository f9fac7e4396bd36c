use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use vectr_delta::{Fingerprint, Message, Open, Session, SessionReport, ShardId, Uncompressed};
use vectr_transport::{Access, PeerRights, PeerStream};

use crate::context::Context;
use crate::session::driver::{DriveContext, drive, settle};
use crate::session::monitor::SessionMonitor;
use crate::session::shard_store::ShardStore;
use crate::session::wire::{Traffic, Wire};
use crate::{CancellationToken, SyncError, SyncOptions};

/// One attempt of a sync, as the side that opens the stream.
pub(crate) struct Initiator<'a> {
    pub(crate) context: &'a Context,
    pub(crate) shard: &'a ShardId,
    pub(crate) address: &'a str,
    pub(crate) options: &'a SyncOptions,
    /// Keeps the session open to send each new commit.
    pub(crate) live: bool,
}

/// Report of one attempt, successful or not.
#[derive(Default)]
pub(crate) struct AttemptReport {
    pub(crate) report: SessionReport,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Whether the stream went over TCP.
    pub(crate) fallback: bool,
    /// Whether a live session was established.
    pub(crate) was_online: bool,
    /// Closes once the peer has acknowledged the whole stream, or `FLUSH_TIMEOUT` has passed.
    pub(crate) stream_closed: Option<oneshot::Receiver<()>>,
}

impl Initiator<'_> {
    pub(crate) async fn run(&self) -> (AttemptReport, Result<(), SyncError>) {
        let mut report = AttemptReport::default();
        let (mut engine_closed, mut aborted) = (self.context.closing.token(), self.options.abort.clone());
        let opened = tokio::select! {
            opened = self.open() => opened,
            () = engine_closed.cancelled() => Err(SyncError::Closed),
            () = aborted.cancelled() => Err(SyncError::Aborted),
        };
        let outcome = match opened {
            Ok(opened) => self.transfer(opened, &mut report).await,
            Err(error) => Err(error),
        };
        // A socket error may surface before the close that caused it: report the close.
        (report, outcome.map_err(|error| self.context.ensure_open().err().unwrap_or(error)))
    }

    async fn transfer(&self, opened: Opened, report: &mut AttemptReport) -> Result<(), SyncError> {
        let Opened { mut session, mut store, stream, opening_bytes } = opened;
        store.keep_to(stream.rights());
        report.fallback = stream.fallback;
        let peer = session.peer_fingerprint();
        let (arriving, received) = (self.context.arriving(peer), self.context.receive_account(peer));
        let mut wire = Wire::new(stream, self.context.config.codecs(), store.account(), arriving, received);
        let traffic = wire.traffic();
        traffic.count_sent(opening_bytes);
        let mut drive_context = DriveContext {
            address: self.address,
            idle_timeout: self.context.network.endpoint.idle_timeout,
            closed: self.context.closing.token(),
            aborted: self.options.abort.clone(),
            draining: CancellationToken::default(),
            monitor: SessionMonitor::new(
                self.context,
                self.shard,
                self.address,
                self.options.progress.as_deref(),
            ),
            reopen: self.live,
        };
        let began = Instant::now();
        let outcome = drive(&mut session, &mut wire, &mut store, &mut drive_context).await;
        let outcome = match outcome {
            Err(error) if error.is_restart() => self
                .context
                .note_restart(self.shard, session.peer_fingerprint(), self.address, began)
                .and(Err(error)),
            outcome => outcome,
        };
        report.was_online = drive_context.monitor.was_online();
        let counter = drive_context.monitor.finish(&session, &outcome);
        let (finished, stream_closed) = oneshot::channel();
        let (last_bytes, received) = wire.finish();
        report.note(&session, &traffic);
        self.context.tasks.track(tokio::spawn(async move {
            // Bounded by `FLUSH_TIMEOUT`.
            let _ = last_bytes.await;
            drop(finished);
            counter.finish(&traffic);
        }));
        report.stream_closed = Some(stream_closed);
        self.context.tasks.track(tokio::spawn(settle(session, store, received)));
        outcome
    }

    /// Over a live connection an `Open` message names the shard first, so the peer reads its Hello while ours becomes
    /// durable. Over a resumable connection our Hello travels with the first bytes, if it fits one frame.
    async fn open(&self) -> Result<Opened, SyncError> {
        let endpoint = self.context.endpoint()?;
        let Some(known) = endpoint.known_rights(self.address) else {
            let stream = endpoint.open(self.address, None).await?;
            return self.opened(stream);
        };
        self.check_rights(&known)?;
        let expected = known.peer();
        if endpoint.is_connected(self.address) {
            let opening: Bytes =
                Message::Open(Open::of_this_build(self.shard.clone())).encode(&Uncompressed)?.concat().into();
            let sent = opening.len();
            let stream = endpoint.open(self.address, Some((expected, opening))).await?;
            if !stream.opening_sent {
                return self.opened(stream);
            }
            let mut opened = self.opened(stream)?;
            opened.session.note_opened();
            return Ok(Opened { opening_bytes: sent, ..opened });
        }
        let (session, store, opening) = self.greet(expected).await?;
        let opening_bytes = opening.len();
        let stream = endpoint.open(self.address, Some((expected, opening))).await?;
        if !stream.opening_sent {
            return self.opened(stream);
        }
        self.check_rights(&stream.rights())?;
        Ok(Opened { session, store, stream, opening_bytes })
    }

    fn opened(&self, stream: PeerStream) -> Result<Opened, SyncError> {
        self.check_rights(&stream.rights())?;
        let (session, store) = self.prepare(stream.peer);
        Ok(Opened { session, store, stream, opening_bytes: 0 })
    }

    /// A peer without rights to the shard does not learn its name.
    fn check_rights(&self, rights: &PeerRights) -> Result<(), SyncError> {
        if rights.access(self.shard) == Access::None {
            return Err(SyncError::Forbidden { shard: self.shard.clone(), peer: rights.peer() });
        }
        Ok(())
    }

    fn prepare(&self, peer: Fingerprint) -> (Session, ShardStore) {
        let mut store = ShardStore::new(self.context, self.shard.clone(), self.context.send_account());
        if self.options.force {
            store.ignore_cursor();
        }
        (self.context.session(peer, self.shard.clone(), self.live), store)
    }

    /// Has the session read its Hello, which passes the durability barrier like everything that is sent. Returns what to
    /// send first.
    async fn greet(&self, peer: Fingerprint) -> Result<(Session, ShardStore, Bytes), SyncError> {
        let (mut session, mut store) = self.prepare(peer);
        loop {
            while let Some(request) = session.poll_store() {
                store.start(request);
            }
            match session.poll_transmit() {
                // An Open asks first whether the peer can assemble this Hello.
                Some(message @ (Message::Hello(_) | Message::Since(_) | Message::Open(_))) => {
                    let frames = message.encode(&Uncompressed)?;
                    return Ok((session, store, frames.concat().into()));
                }
                Some(_) | None if session.ending().is_some() => return Err(SyncError::of_ending(&session)),
                _ => {}
            }
            let reply = store.reply().await;
            session.handle_store(reply);
        }
    }
}

struct Opened {
    session: Session,
    store: ShardStore,
    stream: PeerStream,
    opening_bytes: usize,
}

impl AttemptReport {
    pub(crate) fn note(&mut self, session: &Session, traffic: &Traffic) {
        self.report = session.report().clone();
        self.bytes_sent = traffic.sent();
        self.bytes_received = traffic.received();
    }
}

impl SyncError {
    fn of_ending(session: &Session) -> Self {
        match session.ending() {
            Some(vectr_delta::Ending::Failed { code, reason, retry, .. }) => {
                Self::Session { code: code.clone(), message: reason.clone(), retry: *retry }
            }
            _ => Self::Closed,
        }
    }
}
