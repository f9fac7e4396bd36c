//! How the two Hellos find their way: one that does not fit a frame waits until the peer is known to assemble it.

use super::Session;
use crate::wire::{SPANNING, TooManySites, needs_spans, reads_spans};
use crate::{HelloOffer, Message, Open, VersionVector};

/// What was sent and learnt before both Hellos are there.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    /// Whether one of the two nodes has sent an Open.
    pub(super) opened: bool,
    /// Whether the peer assembles messages that span frames; `None` before it has said anything of that.
    pub(super) reads_spans: Option<bool>,
    /// Whether this node's Hello is durable.
    pub(super) is_due: bool,
    pub(super) is_sent: bool,
}

/// Adds what every session of this build can read.
pub(super) fn with_abilities(mut offer: HelloOffer) -> HelloOffer {
    if !reads_spans(&offer.codecs) {
        offer.codecs.push(SPANNING);
    }
    offer
}

impl Session {
    /// Tells a new session that an [`Open`] of its shard has been sent to the peer.
    pub const fn note_opened(&mut self) {
        self.greeting.opened = true;
    }

    pub(super) fn receive_open(&mut self, open: &Open) -> Result<(), &'static str> {
        if self.greeting.opened || self.greeting.is_sent || self.peer.is_some() {
            return Err("an open message after the first message");
        }
        self.greeting.opened = true;
        // A build that says nothing here says so in its Hello.
        self.greeting.reads_spans = reads_spans(&open.codecs).then_some(true);
        Ok(())
    }

    pub(super) fn send_hello(&mut self) {
        if !self.greeting.is_due || self.greeting.is_sent || self.ending.is_some() {
            return;
        }
        let Some(hello) = self.local.clone() else { return };
        match self.greeting.reads_spans {
            Some(false) if hello.needs_spans() => {
                return self.reject_sites(TooManySites(hello.version_vector.len()));
            }
            // The answer to an Open is the peer's Hello. If the peer has opened the stream, its Hello is under way.
            None if hello.needs_spans() => {
                if !std::mem::replace(&mut self.greeting.opened, true) {
                    self.transmit.push_back(Message::Open(Open::of_this_build(hello.shard)));
                }
                return;
            }
            _ => {}
        }
        self.transmit.push_back(Message::Hello(Box::new(hello)));
        self.greeting.is_sent = true;
    }

    /// Confirms an End with the version vector that this node holds now.
    pub(super) fn send_durable(&mut self, version_vector: VersionVector) {
        let spans = needs_spans(&version_vector, &VersionVector::new());
        if spans && self.greeting.reads_spans != Some(true) {
            return self.reject_sites(TooManySites(version_vector.len()));
        }
        self.transmit.push_back(Message::Durable(version_vector));
    }

    pub(super) fn reject_sites(&mut self, sites: TooManySites) {
        self.reject("ERR_LIMIT", &sites.to_string(), false);
    }
}
