use crate::wire::{SPANNING, TooManySites, needs_spans, reads_spans};
use crate::{Hello, HelloOffer, Message, Open, ShardId, ShardVersion, VersionVector};

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
}

/// Adds what every session of this build can read.
pub(super) fn with_abilities(mut offer: HelloOffer) -> HelloOffer {
    if !reads_spans(&offer.codecs) {
        offer.codecs.push(SPANNING);
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
        let Some(hello) = local.filter(|_| self.is_due && !self.is_sent) else { return Ok(None) };
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
