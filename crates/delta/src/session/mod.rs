//! One sync of one shard with one peer, as a state machine: messages and storage replies go in, messages and storage
//! requests come out. Both nodes run the same machine, whichever of them opened the stream.

mod barrier;
mod config;
mod direction;
mod greeting;
mod handshake;
mod held;
mod incoming;
mod outgoing;
mod peer_progress;
mod repair;
mod report;
mod store;

use std::collections::VecDeque;

use barrier::{AfterDurable, Barrier};
pub use config::SessionConfig;
use greeting::{Greeting, THIS, with_abilities};
pub use greeting::{KnownHellos, RepairRest};
use held::Questions;
use incoming::Incoming;
use outgoing::Outgoing;
pub use peer_progress::PeerProgress;
use repair::Repair;
pub use report::{Ending, SessionReport, Warning};
pub use store::{ChangeSpan, StoreReply, StoreRequest};

use crate::{Applied, HeldMessage, HeldRow, Hello, Message, Reject, RemoteApply, ShardVersion};

/// The state machine of one sync. Poll [`Session::poll_store`] and [`Session::poll_transmit`] until both are empty
/// after each input, or after a batch of inputs that were already there.
///
/// Storage requests may run concurrently. The session issues those that write (`AcceptHello`, `Apply`, `End`,
/// `JoinAnswer`, `JoinRange`, `FinishRepair`, `ResetSite`) one at a time.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    local: Option<Hello>,
    /// The rows of the peer on the list of held rows, until the incoming half has them.
    held: Vec<HeldRow>,
    peer: Option<Hello>,
    greeting: Greeting,
    accepting: bool,
    accepted: bool,
    established: bool,
    prepared: bool,
    outgoing: Option<Outgoing>,
    incoming: Option<Incoming>,
    repair: Option<Repair>,
    questions: Option<Questions>,
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
            held: Vec::new(),
            peer: None,
            greeting: Greeting::default(),
            accepting: false,
            accepted: false,
            established: false,
            prepared: false,
            outgoing: None,
            incoming: None,
            repair: None,
            questions: None,
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
            StoreReply::Hello { hello, held, commit_no, alterations } => {
                self.held = held;
                self.local = Some(self.own_hello(*hello, alterations));
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
            StoreReply::Applied { remote, applied, .. } => self.take_applied(*remote, applied),
            StoreReply::Ended { remote, applied, ended, commit_no, .. } => {
                self.take_applied(*remote, applied);
                self.report.note_end(&ended);
                match self.repair.as_mut().filter(|_| ended.deferred) {
                    Some(repair) => repair.hold_end(),
                    None => self.confirm_end(commit_no, ended.version_vector),
                }
            }
            StoreReply::Found(found) => self.take_found(*found),
            StoreReply::AnswerJoined { remote, applied, .. } => self.take_answered(*remote, applied),
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

    /// The next message to send. Messages that are not polled while the peer reads nothing stay few: it may send no more
    /// than its window of what they answer.
    pub fn poll_transmit(&mut self) -> Option<Message> {
        let message = self.transmit.pop_front()?;
        if let Some(incoming) = &mut self.incoming {
            incoming.note_sent(&message);
        }
        if let (Message::End(end), Some(repair)) = (&message, &mut self.repair) {
            repair.note_end(end);
        }
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

    /// Whether this node's storage is joining rows of the peer, or can go on to do so: that ends without another word of
    /// the peer.
    #[must_use]
    pub fn is_applying(&self) -> bool {
        self.incoming.as_ref().is_some_and(Incoming::is_applying)
    }

    /// About how many bytes of rows, and of what comes with them, have arrived that are not applied yet.
    #[must_use]
    pub fn unapplied_bytes(&self) -> usize {
        self.incoming.as_ref().map_or(0, Incoming::unapplied_bytes)
    }

    /// Tells the peer, whose turn it is not, that this node is still there.
    pub fn repeat_ack(&mut self) {
        self.transmit.extend(self.incoming.as_ref().map(Incoming::repeat_ack));
    }

    /// Ends that wait for answers of the peer wait no longer: there is no room for what comes behind them.
    pub fn let_ends_pass(&mut self) {
        if let Some(questions) = &mut self.questions {
            questions.let_ends_pass();
            self.advance();
        }
    }

    /// Batches were joined: an acknowledgement of them says what an earlier one that has yet to leave would say.
    fn take_applied(&mut self, remote: RemoteApply, applied: Applied) {
        let Some(incoming) = &mut self.incoming else { return };
        let messages: Vec<Message> = incoming.take_applied(remote, applied, &mut self.report).collect();
        if messages.iter().any(|message| matches!(message, Message::Ack(_))) {
            self.transmit.retain(|message| !matches!(message, Message::Ack(_)));
        }
        self.transmit.extend(messages);
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
            Message::HeldRows(message) => self.receive_held_rows(*message),
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

    /// Does everything that is now possible.
    fn advance(&mut self) {
        self.begin_transfer();
        self.run_repair();
        self.run_questions();
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
                AfterDurable::Answer(answer) => {
                    let answer = HeldMessage::Answer(*answer);
                    self.transmit.push_back(Message::HeldRows(Box::new(answer)));
                }
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
        self.ending.get_or_insert(ending.in_one_line());
        if let Some(incoming) = &mut self.incoming {
            incoming.drop_queue();
        }
        // A fork that only this Hello reveals must be noticed even if the peer has left, and a repair is remembered.
        self.store.retain(|request| {
            use StoreRequest::{AcceptHello, ResetSite, SettleRepair};
            matches!(request, ResetSite(_) | AcceptHello(_) | SettleRepair(_))
        });
    }
}
