//! The beginning of a session: both Hellos, and what becomes of their two directions.

use super::direction::Direction;
use super::greeting::check_hello;
use super::held::{Questions, is_able, is_list_of};
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::repair::{Repair, preference};
use super::{PeerProgress, Session, StoreRequest, Warning};
use crate::wire::TooManySites;
use crate::{Hello, RemoteApply};

impl Session {
    pub(super) fn receive_hello(&mut self, hello: Hello) {
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

    pub(super) fn send_hello(&mut self) {
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

    /// Waits until this node's Hello was sent: when two copies use one site, each must learn of the other, whichever
    /// notices first.
    pub(super) fn accept_hello(&mut self) {
        if self.accepting || !self.greeting.is_sent || self.ending.is_some() {
            return;
        }
        if let Some(peer) = &self.peer {
            self.accepting = true;
            self.store.push_back(StoreRequest::AcceptHello(Box::new(peer.clone())));
        }
    }

    /// Reads the first page once both Hellos are known; it is sent when the handshake is complete.
    pub(super) fn prepare_transfer(&mut self) {
        let (Some(local), Some(peer)) = (&self.local, &mut self.peer) else { return };
        if self.prepared {
            return;
        }
        self.prepared = true;
        // Compared with each commit of a live session: from now on at the cost of what differs.
        peer.version_vector = peer.version_vector.sharing(&local.version_vector);
        if !is_list_of(local, peer) {
            self.held.clear();
        }
        self.questions = Some(Questions::new(local, peer, self.held.clone()));
        let (live, lists) = (local.live && peer.live, is_able(local, peer));
        self.outgoing = Direction::between(local, peer)
            .map(|direction| Outgoing::new(direction, peer, live, lists, self.config.page));
    }

    /// Once this node has accepted the peer's Hello, and the peer surely has this node's.
    pub(super) fn begin_transfer(&mut self) {
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
        if self.incoming.is_some() {
            self.begin_questions();
        }
    }

    pub(super) fn open_incoming(&mut self) -> Option<Incoming> {
        let (local, peer) = (self.local.as_ref()?, self.peer.as_ref()?);
        let direction = Direction::between(peer, local)?;
        let mut remote = RemoteApply::new(self.config.peer, peer, direction.start).in_life_of(local.site);
        remote.set_rule(Repair::rule(local, peer));
        remote.set_preference(preference(local.is_altered(), peer.is_altered()));
        remote = remote.listing(is_able(local, peer), std::mem::take(&mut self.held));
        if !self.config.keeps_cursor {
            remote = remote.without_cursor();
        }
        Some(Incoming::new(remote, local.nonce, local.window, direction.start))
    }

    pub(super) fn reset_site(&mut self) {
        self.report.warn(Warning::Forked);
        if let Some(local) = &self.local {
            self.store.push_back(StoreRequest::ResetSite(local.site));
        }
    }

    pub(super) fn reject_new_life(&mut self) {
        self.reject("ERR_RESTART", "one of the nodes is taking a new site: sync again", true);
    }

    pub(super) fn reject_sites(&mut self, sites: TooManySites) {
        self.reject("ERR_LIMIT", &sites.to_string(), false);
    }
}
