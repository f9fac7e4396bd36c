mod continuation;
mod known_hellos;
mod repair_rest;

pub use known_hellos::KnownHellos;
pub(super) use known_hellos::THIS;
pub use repair_rest::RepairRest;

use crate::wire::{SINCE, SPANNING, TooManySites, needs_spans, reads_spans};
use crate::{Hello, HelloOffer, Message, Open, ShardId, ShardVersion, Since, VersionVector};

/// How this node's Hello finds its way: one that does not fit a frame waits until the peer is known to assemble it.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    /// Whether one of the two nodes has sent an Open.
    pub(super) opened: bool,
    /// Whether the peer assembles messages that span frames; `None` before it has said anything of that.
    pub(super) reads_spans: Option<bool>,
    /// Whether this node's Hello is durable.
    pub(super) is_due: bool,
    pub(super) is_sent: bool,
    /// Whether the peer takes messages that tell only what is new; `None` before its Hello.
    pub(super) reads_since: Option<bool>,
    pub(super) rest: RepairRest,
    /// What the peer may remember of a former session.
    pub(super) known: Option<KnownHellos>,
    /// Whether the Hello that was sent says only what is new since that session.
    is_shortened: bool,
    /// Whether the peer has shown that it knows the whole of it.
    is_understood: bool,
    /// Whether the peer is to be asked for its whole Hello, and whether it was.
    asks: bool,
    has_asked: bool,
}

/// Adds what every session of this build can read.
pub(super) fn with_abilities(mut offer: HelloOffer) -> HelloOffer {
    for ability in [SPANNING, SINCE] {
        if !offer.codecs.contains(&ability) {
            offer.codecs.push(ability);
        }
    }
    offer
}

impl Greeting {
    pub(super) fn receive_open(&mut self, open: &Open, has_hello: bool) -> Result<(), &'static str> {
        if self.opened || self.is_sent || has_hello {
            return Err("an open message after the first message");
        }
        self.opened = true;
        // A build that says nothing here says so in its Hello.
        self.reads_spans = reads_spans(&open.codecs).then_some(true);
        Ok(())
    }

    /// What to send now, of a node whose Hello is `local`.
    ///
    /// # Errors
    /// If the peer cannot take the Hello in.
    pub(super) fn next(&mut self, local: Option<&Hello>) -> Result<Option<Message>, TooManySites> {
        if std::mem::take(&mut self.asks) {
            return Ok(Some(Message::TellAll));
        }
        let Some(hello) = local.filter(|_| self.is_due && !self.is_sent) else { return Ok(None) };
        if let Some(short) = self.shortened(hello) {
            (self.is_sent, self.is_shortened) = (true, true);
            return Ok(Some(short));
        }
        match self.reads_spans {
            Some(false) if hello.needs_spans() => Err(TooManySites(hello.version_vector.len())),
            // The answer to an Open is the peer's Hello. If the peer has opened the stream, its Hello is under way.
            None if hello.needs_spans() => {
                let asks = !std::mem::replace(&mut self.opened, true);
                Ok(asks.then(|| Message::Open(Open::of_this_build(hello.shard.clone()))))
            }
            _ => {
                self.is_sent = true;
                Ok(Some(Message::Hello(Box::new(hello.clone()))))
            }
        }
    }

    /// Whether the peer has this node's Hello, or will have it before anything that is sent now. A peer that does not know
    /// what a short one builds upon asks for it; until it has shown that it does not ask, it could take nothing else.
    pub(super) const fn has_arrived(&self) -> bool {
        self.is_sent && (!self.is_shortened || self.is_understood)
    }

    /// Confirms an End with the version vector that this node holds now.
    ///
    /// # Errors
    /// If the peer cannot take it in.
    pub(super) fn durable(&self, version_vector: ShardVersion) -> Result<Message, TooManySites> {
        if needs_spans(&version_vector, &VersionVector::new()) && self.reads_spans != Some(true) {
            return Err(TooManySites(version_vector.len()));
        }
        Ok(Message::Durable(version_vector))
    }

    /// Makes a message whole that tells only what is new. `None` if it says nothing more; what it asks for is then the
    /// [next](Self::next) to send.
    ///
    /// # Errors
    /// If it builds upon nothing that was sent.
    pub(super) fn expand(
        &mut self,
        message: Message,
        peer: Option<&Hello>,
    ) -> Result<Option<Message>, &'static str> {
        // Nothing else is sent before both Hellos are known.
        self.is_understood |=
            !matches!(message, Message::Open(_) | Message::TellAll) && message.hello().is_none();
        match message {
            Message::Since(since) => self.expand_since(since, peer),
            Message::TellAll if self.is_shortened => {
                self.known = None;
                // Who asks so assembles messages.
                self.reads_spans = Some(true);
                (self.is_shortened, self.is_sent) = (false, false);
                Ok(None)
            }
            Message::TellAll => Err("a request for a whole hello, which was sent already"),
            message => Ok(Some(message)),
        }
    }

    fn expand_since(&mut self, since: Since, peer: Option<&Hello>) -> Result<Option<Message>, &'static str> {
        let is_hello = matches!(*since.message, Message::Hello(_));
        let known = match (peer, &self.known) {
            (Some(peer), _) if !is_hello && since.session == THIS => &peer.version_vector,
            (None, Some(known)) if is_hello && since.session == known.session => {
                // What it remembers of that session it remembers of both nodes.
                self.is_understood = true;
                &known.peer
            }
            (None, _) if is_hello && !self.has_asked => {
                (self.asks, self.has_asked) = (true, true);
                // Who tells only what is new assembles messages.
                self.reads_spans = Some(true);
                return Ok(None);
            }
            _ => return Err("a message that builds upon one that was not sent"),
        };
        let whole = since.onto(known);
        match whole.version_vector().is_some_and(|vector| vector.len() > ShardVersion::MAX_SITES) {
            true => Err("a version vector of too many sites"),
            false => Ok(Some(whole)),
        }
    }

    /// The Hello by what is new since the session that both nodes may remember. The peer asks if it does not.
    fn shortened(&self, hello: &Hello) -> Option<Message> {
        let known = self.known.as_ref().filter(|_| self.reads_since != Some(false))?;
        let short = Message::Hello(Box::new(hello.clone())).since(known.session, &known.local);
        matches!(short, Message::Since(_)).then_some(short)
    }
}

/// Checks whether a session about `shard` with the peer that sent this Hello is possible.
pub(super) fn check_hello(hello: &Hello, shard: &ShardId) -> Result<(), String> {
    let (oldest, newest) = hello.protocol;
    if oldest > Hello::PROTOCOL || newest < Hello::PROTOCOL {
        return Err(format!(
            "protocol versions {oldest} to {newest} are not supported here, only {}",
            Hello::PROTOCOL
        ));
    }
    if hello.shard != *shard {
        return Err(format!("the hello is for shard '{}' instead of '{shard}'", hello.shard));
    }
    Ok(())
}
