//! One sync of one shard with one peer, as a state machine: messages and storage replies go in, messages and storage
//! requests come out. Both nodes run the same machine, whichever of them opened the stream.

mod barrier;
mod config;
mod continuation;
mod direction;
mod greeting;
mod incoming;
mod known_hellos;
mod outgoing;
mod peer_progress;
mod repair;
mod repairing;
mod report;
mod store;

use std::collections::VecDeque;

use barrier::{AfterDurable, Barrier};
pub use config::SessionConfig;
use direction::Direction;
use greeting::{Greeting, check_hello, with_abilities};
use incoming::Incoming;
pub use known_hellos::KnownHellos;
use known_hellos::THIS;
use outgoing::Outgoing;
pub use peer_progress::PeerProgress;
use repair::{Repair, preference};
pub use report::{Ending, SessionReport, Warning};
pub use store::{ChangeSpan, StoreReply, StoreRequest};

use crate::wire::TooManySites;
use crate::{Hello, Message, Reject, RemoteApply, ShardVersion};

/// The state machine of one sync. Poll [`Session::poll_store`] and [`Session::poll_transmit`] until both are empty
/// after each input, or after a batch of inputs that were already there.
///
/// Storage requests may run concurrently. The session issues those that write (`AcceptHello`, `Apply`, `End`,
/// `JoinRange`, `FinishRepair`, `ResetSite`) one at a time.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    local: Option<Hello>,
    peer: Option<Hello>,
    greeting: Greeting,
    accepting: bool,
    accepted: bool,
    established: bool,
    prepared: bool,
    outgoing: Option<Outgoing>,
    incoming: Option<Incoming>,
    repair: Option<Repair>,
    progress: Option<PeerProgress>,
    peer_holds_back: bool,
    barrier: Barrier,
    store: VecDeque<StoreRequest>,
    transmit: VecDeque<Message>,
    ending: Option<Ending>,
    report: SessionReport,
}

impl Session {
    /// A new session. Its first request reads this node's Hello.
    #[must_use]
    pub fn new(mut config: SessionConfig) -> Self {
        config.offer = with_abilities(config.offer);
        let read = StoreRequest::ReadHello { peer: config.peer, offer: config.offer.clone() };
        Self {
            config,
            local: None,
            peer: None,
            greeting: Greeting::default(),
            accepting: false,
            accepted: false,
            established: false,
            prepared: false,
            outgoing: None,
            incoming: None,
            repair: None,
            progress: None,
            peer_holds_back: false,
            barrier: Barrier::default(),
            store: VecDeque::from([read]),
            transmit: VecDeque::new(),
            ending: None,
            report: SessionReport::default(),
        }
    }

    /// Handles a message of the peer.
    pub fn receive(&mut self, message: Message) {
        if self.ending.is_some() {
            return;
        }
        match self.greeting.expand(message, self.peer.as_ref()) {
            Ok(Some(Message::Hello(hello))) => self.receive_hello(*hello),
            Ok(Some(Message::Reject(reject))) => self.end(Ending::of_reject(reject)),
            Ok(Some(Message::Held(held))) => {
                self.peer_holds_back = true;
                self.report.warn(Warning::PeerHeld(held));
            }
            Ok(Some(other)) => self.receive_in_session(other),
            Ok(None) => {}
            Err(reason) => self.reject("ERR_PROTOCOL", reason, true),
        }
        self.advance();
    }

    /// Handles the reply to a storage request. Pass on replies that arrive after the session has ended, too, and carry
    /// out the requests that follow: a reply may show that this node has to take a new site.
    pub fn handle_store(&mut self, reply: StoreReply) {
        if self.ending.is_some() {
            // The peer may have noticed the fork as well and left; both nodes need a new site.
            if matches!(reply, StoreReply::Forked) {
                self.reset_site();
            }
            return;
        }
        match reply {
            StoreReply::Hello { hello, commit_no } => {
                self.local = Some(*hello);
                self.barrier.after(commit_no, AfterDurable::SendHello);
            }
            StoreReply::Durable(commit_no) => self.barrier.reach(commit_no),
            StoreReply::HelloAccepted => self.accepted = true,
            // The Hello spoke of another changelog.
            StoreReply::Page(page) if self.local.as_ref().is_some_and(|local| local.site != page.site) => {
                self.reject_new_life();
            }
            StoreReply::Page(page) => {
                if let Some(outgoing) = &mut self.outgoing {
                    outgoing.take_page(*page, &mut self.report);
                }
            }
            StoreReply::Committed => {
                if let Some(outgoing) = &mut self.outgoing {
                    outgoing.resume();
                }
            }
            StoreReply::Applied { remote, applied, .. } => {
                if let Some(incoming) = &mut self.incoming {
                    self.transmit.extend(incoming.take_applied(*remote, applied, &mut self.report));
                }
            }
            StoreReply::Ended { remote, applied, ended, commit_no, .. } => {
                if let Some(incoming) = &mut self.incoming {
                    self.transmit.extend(incoming.take_applied(*remote, applied, &mut self.report));
                }
                self.report.digests_differ |= ended.digests_differ;
                match self.repair.as_mut().filter(|_| ended.deferred) {
                    Some(repair) => repair.hold_end(),
                    None => self.confirm_end(commit_no, ended.version_vector),
                }
            }
            StoreReply::RangeJoined { remote, applied, .. } => self.take_joined(remote, applied),
            StoreReply::RepairFinished { remote, repaired, commit_no } => {
                self.take_repaired(remote, repaired, commit_no);
            }
            reply @ (StoreReply::RangeDigests(_) | StoreReply::RangeCounts(_) | StoreReply::RangePage(_)) => {
                if let Some(Err(reason)) = self.repair.as_mut().map(|repair| repair.take_read(reply)) {
                    self.reject("ERR_LIMIT", reason, true);
                }
            }
            StoreReply::RepairSettled => {}
            StoreReply::SiteReset => self.reject_new_life(),
            StoreReply::Frontier => {
                self.reject("ERR_RESTART", "tombstones were collected meanwhile: sync again", true);
            }
            StoreReply::Forked => self.reset_site(),
            StoreReply::Failed { code, reason, retry } => self.reject(&code, &reason, retry),
        }
        self.advance();
    }

    /// Tells the session that the stream has ended. A session that is not done fails and can be retried.
    pub fn handle_disconnect(&mut self, reason: &str) {
        self.end(Ending::Failed {
            code: "ERR_PEER_UNREACHABLE".into(),
            reason: format!("the stream closed before the sync was complete: {reason}"),
            retry: true,
            by_peer: false,
        });
    }

    /// Ends the session and tells the peer why.
    pub fn reject(&mut self, code: &str, reason: &str, retry: bool) {
        if self.ending.is_some() {
            return;
        }
        let reason: String = reason.chars().take(500).collect();
        self.transmit.clear();
        self.transmit.push_back(Message::Reject(Reject { code: code.into(), reason: reason.clone(), retry }));
        self.end(Ending::Failed { code: code.into(), reason, retry, by_peer: false });
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Message> {
        let message = self.transmit.pop_front()?;
        let shortens = self.greeting.reads_since == Some(true) && message.hello().is_none();
        match self.local.as_ref().filter(|_| shortens) {
            Some(local) => Some(message.since(THIS, &local.version_vector)),
            None => Some(message),
        }
    }

    /// The next storage request to carry out.
    pub fn poll_store(&mut self) -> Option<StoreRequest> {
        // Built only when it is asked for, so that one transaction covers all that has arrived.
        let ready = self.established && self.ending.is_none();
        let mut writes = || self.incoming.as_mut().filter(|_| ready)?.next_request();
        self.store.pop_front().or_else(&mut writes)
    }

    /// How the session ended, once it has. Messages that are still queued are to be sent.
    #[must_use]
    pub const fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// What the session has done so far.
    #[must_use]
    pub const fn report(&self) -> &SessionReport {
        &self.report
    }

    /// The peer's Hello, once it has arrived.
    #[must_use]
    pub const fn peer(&self) -> Option<&Hello> {
        self.peer.as_ref()
    }

    /// What the peer is known to hold, once the handshake is complete.
    #[must_use]
    pub fn progress(&self) -> Option<PeerProgress> {
        let confirmed = self.outgoing.as_ref().map_or(0, Outgoing::confirmed);
        let position = if self.peer_holds_back { 0 } else { confirmed };
        self.progress.clone().map(|progress| PeerProgress { position, ..progress })
    }

    /// Whether the handshake is complete and rows may flow.
    #[must_use]
    pub const fn is_established(&self) -> bool {
        self.established
    }

    /// Whether both nodes agreed to keep the session open after the first exchange.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let live = |hello: &Option<Hello>| hello.as_ref().is_some_and(|hello| hello.live);
        live(&self.local) && live(&self.peer)
    }

    /// Whether each node has sent all it had and knows that it arrived. A live session then waits for commits, and
    /// the peer may stay silent for any length of time.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let sent = self.outgoing.as_ref().is_none_or(Outgoing::is_settled);
        let received = self.incoming.as_ref().is_none_or(Incoming::is_settled);
        self.established && self.barrier.is_clear() && sent && received && !self.is_repairing()
    }

    /// Whether to leave further messages of the peer unread until storage has caught up. Reading never waits for
    /// sending.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.incoming.as_ref().is_some_and(Incoming::is_saturated)
    }

    fn receive_hello(&mut self, hello: Hello) {
        if self.peer.is_some() {
            return self.reject("ERR_PROTOCOL", "a second hello", false);
        }
        if let Err(reason) = check_hello(&hello, &self.config.shard) {
            return self.reject("ERR_PROTOCOL", &reason, false);
        }
        self.greeting.reads_spans = Some(hello.reads_spans());
        self.greeting.reads_since = Some(hello.reads_since());
        self.peer = Some(hello);
    }

    fn receive_in_session(&mut self, message: Message) {
        let taken = match message {
            Message::Batch(batch) => self.with_incoming(|incoming| incoming.receive_batch(batch)),
            Message::End(end) => {
                let held = end.version_vector.clone();
                let taken = self.with_incoming(|incoming| incoming.receive_end(*end));
                if taken.is_ok() {
                    self.learn(&held);
                }
                taken
            }
            Message::Done => self.with_incoming(Incoming::receive_done),
            Message::Ack(batches) => self.with_outgoing(|outgoing| outgoing.receive_ack(batches)),
            Message::Durable(held) => {
                let taken = self.with_outgoing(Outgoing::receive_durable);
                if taken.is_ok() {
                    self.transmit.push_back(Message::Done);
                    self.note(&held);
                }
                taken
            }
            Message::Repair(message) => self.receive_repair(*message),
            Message::Open(open) => self.greeting.receive_open(&open, self.peer.is_some()),
            Message::Hello(_) | Message::Held(_) | Message::Reject(_) => Ok(()),
            Message::Since(_) | Message::TellAll => Ok(()),
        };
        if let Err(reason) = taken {
            self.reject("ERR_PROTOCOL", reason, true);
        }
    }

    /// Stops sending what the peer holds.
    fn learn(&mut self, held: &ShardVersion) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.extend_filter(held);
        }
        self.note(held);
    }

    fn note(&mut self, held: &ShardVersion) {
        let Some(progress) = &mut self.progress else { return };
        progress.version_vector.join(held);
        if progress.version_vector.len() > ShardVersion::MAX_SITES {
            self.reject("ERR_LIMIT", "the peer claims changes of more sites than a shard may have", false);
        }
    }

    fn with_incoming(
        &mut self,
        take: impl FnOnce(&mut Incoming) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        // The peer may send as soon as it has both Hellos; this node may still be accepting the peer's.
        if self.incoming.is_none() {
            self.incoming = self.open_incoming();
        }
        take(self.incoming.as_mut().ok_or("a message before the handshake was complete")?)
    }

    fn with_outgoing(
        &mut self,
        take: impl FnOnce(&mut Outgoing) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        take(self.outgoing.as_mut().ok_or("a message before the handshake was complete")?)
    }

    fn open_incoming(&self) -> Option<Incoming> {
        let (local, peer) = (self.local.as_ref()?, self.peer.as_ref()?);
        let direction = Direction::between(peer, local)?;
        let mut remote = RemoteApply::new(self.config.peer, peer, direction.start).in_life_of(local.site);
        remote.set_rule(Repair::rule(local, peer));
        remote.set_preference(preference(local.is_altered(), peer.is_altered()));
        if !self.config.keeps_cursor {
            remote = remote.without_cursor();
        }
        Some(Incoming::new(remote, local.nonce, local.window, direction.start))
    }

    /// Reads the first page once both Hellos are known; it is sent when the handshake is complete.
    fn prepare_transfer(&mut self) {
        let (Some(local), Some(peer)) = (&self.local, &mut self.peer) else { return };
        if self.prepared {
            return;
        }
        self.prepared = true;
        // Compared with each commit of a live session: from now on at the cost of what differs.
        peer.version_vector = peer.version_vector.sharing(&local.version_vector);
        self.outgoing = Direction::between(local, peer)
            .map(|direction| Outgoing::new(direction, peer, local.live && peer.live, self.config.page));
    }

    /// Once this node has accepted the peer's Hello, and the peer surely has this node's.
    fn begin_transfer(&mut self) {
        if self.established || !self.accepted || !self.greeting.has_arrived() {
            return;
        }
        self.established = true;
        let (Some(local), Some(peer)) = (&self.local, &self.peer) else { return };
        self.report.note_peer(local, peer);
        self.progress = Some(PeerProgress::new(self.config.peer, local, peer));
        if self.repair.is_none() {
            self.repair = Some(Repair::new(local, peer, self.config.page));
        }
        if self.incoming.is_none() {
            self.incoming = self.open_incoming();
        }
    }

    fn reject_new_life(&mut self) {
        self.reject("ERR_RESTART", "one of the nodes is taking a new site: sync again", true);
    }

    fn reset_site(&mut self) {
        self.report.warn(Warning::Forked);
        if let Some(local) = &self.local {
            self.store.push_back(StoreRequest::ResetSite(local.site));
        }
    }

    /// Does everything that is now possible.
    fn advance(&mut self) {
        self.begin_transfer();
        self.run_repair();
        self.run_durable_actions();
        self.send_hello();
        self.accept_hello();
        self.prepare_transfer();
        if let Some(outgoing) = &mut self.outgoing {
            let sent = if self.established {
                outgoing.send_pages(
                    self.barrier.durable(),
                    &mut self.store,
                    &mut self.transmit,
                    &mut self.report,
                )
            } else {
                Ok(())
            };
            self.store.extend(outgoing.read_ahead());
            if let Err(sites) = sent {
                self.reject_sites(sites);
            }
        }
        self.request_durable();
        self.finish_if_done();
    }

    fn run_durable_actions(&mut self) {
        for action in self.barrier.take_due() {
            match action {
                AfterDurable::SendHello => self.greeting.is_due = true,
                AfterDurable::Send(message) => self.transmit.push_back(Message::Repair(Box::new(message))),
                AfterDurable::ConfirmEnd(version_vector) => {
                    if let Some(incoming) = &mut self.incoming {
                        incoming.confirm_end();
                    }
                    match self.greeting.durable(version_vector) {
                        Ok(message) => self.transmit.push_back(message),
                        Err(sites) => self.reject_sites(sites),
                    }
                }
            }
        }
    }

    fn send_hello(&mut self) {
        if self.ending.is_some() {
            return;
        }
        loop {
            match self.greeting.next(self.local.as_ref()) {
                Ok(Some(message)) => self.transmit.push_back(message),
                Ok(None) => return,
                Err(sites) => return self.reject_sites(sites),
            }
        }
    }

    fn reject_sites(&mut self, sites: TooManySites) {
        self.reject("ERR_LIMIT", &sites.to_string(), false);
    }

    /// Waits until this node's Hello was sent: when two copies use one site, each must learn of the other, whichever
    /// notices first.
    fn accept_hello(&mut self) {
        if self.accepting || !self.greeting.is_sent || self.ending.is_some() {
            return;
        }
        if let Some(peer) = &self.peer {
            self.accepting = true;
            self.store.push_back(StoreRequest::AcceptHello(Box::new(peer.clone())));
        }
    }

    fn request_durable(&mut self) {
        let pages = self.outgoing.as_ref().and_then(Outgoing::awaits_durable);
        if self.ending.is_none() {
            self.store.extend(self.barrier.next_request(pages));
        }
    }

    fn finish_if_done(&mut self) {
        let started = self.established && self.local.is_some() && self.peer.is_some();
        let sent = self.outgoing.as_ref().is_none_or(Outgoing::is_done);
        let received = self.incoming.as_ref().is_none_or(Incoming::is_done);
        if started && self.barrier.is_clear() && sent && received && !self.is_repairing() {
            self.end(Ending::Finished);
        }
    }

    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
        // A fork that only this Hello reveals must be noticed even if the peer has left, and a repair is remembered.
        self.store.retain(|request| {
            use StoreRequest::{AcceptHello, ResetSite, SettleRepair};
            matches!(request, ResetSite(_) | AcceptHello(_) | SettleRepair(_))
        });
    }
}
