//! Version vectors that are told by what is new.

use super::message::Since;
use crate::{Hello, Message, ShardVersion};

impl Since {
    /// The whole message. `known`: the version vector that it leaves out.
    pub(crate) fn onto(self, known: &ShardVersion) -> Message {
        let mut message = *self.message;
        if let Some(version_vector) = message.version_vector_mut() {
            *version_vector = known.joined(version_vector);
        }
        message
    }
}

impl Hello {
    /// Whether the node takes version vectors that are told by what is new.
    #[must_use]
    pub fn reads_since(&self) -> bool {
        self.codecs.contains(&SINCE)
    }
}

impl Message {
    /// The Hello that this message is, whole or not.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        match self {
            Self::Hello(hello) => Some(hello),
            Self::Since(since) => since.message.hello(),
            _ => None,
        }
    }

    /// Leaves out of the version vector what `known` covers, where that makes the message much shorter.
    pub(crate) fn since(mut self, session: u64, known: &ShardVersion) -> Self {
        let Some(version_vector) = self.version_vector_mut() else { return self };
        if version_vector.len() <= FEW_SITES || !version_vector.covers_all(known) {
            return self;
        }
        let news = version_vector.beyond(known);
        if news.len() > version_vector.len() / 2 {
            return self;
        }
        *version_vector = news;
        Self::Since(Since { session, message: Box::new(self) })
    }

    /// The version vector that the message tells.
    pub(crate) const fn version_vector(&self) -> Option<&ShardVersion> {
        match self {
            Self::Hello(hello) => Some(&hello.version_vector),
            Self::End(end) => Some(&end.version_vector),
            Self::Durable(version_vector) => Some(version_vector),
            _ => None,
        }
    }

    fn version_vector_mut(&mut self) -> Option<&mut ShardVersion> {
        match self {
            Self::Hello(hello) => Some(&mut hello.version_vector),
            Self::End(end) => Some(&mut end.version_vector),
            Self::Durable(version_vector) => Some(version_vector),
            _ => None,
        }
    }
}

/// Among the codecs of a Hello: its sender takes [`Since`] messages, and remembers Hellos.
pub(crate) const SINCE: u8 = 193;

/// Version vectors of so few sites are always told whole.
pub(crate) const FEW_SITES: usize = 64;
