//! What a session takes from what came before it, and leaves to the next one.

use super::{KnownHellos, RepairRest};
use crate::session::{Session, Warning};
use crate::{Fingerprint, Hello};

impl Session {
    /// Tells a new session what is known of a former one with the same peer about the same shard.
    #[must_use]
    pub fn knowing(mut self, known: Option<KnownHellos>) -> Self {
        self.greeting.known = known;
        self
    }

    /// Tells a new session that an [`Open`](crate::Open) of its shard has been sent to the peer.
    pub const fn note_opened(&mut self) {
        self.greeting.opened = true;
    }

    /// What the next session with this peer about this shard may start from; `None` if it is to tell everything.
    #[must_use]
    pub fn known_hellos(&self) -> Option<KnownHellos> {
        KnownHellos::of(self.local.as_ref()?, self.peer.as_ref()?).filter(|_| self.established)
    }

    /// The fingerprint of the peer.
    #[must_use]
    pub const fn peer_fingerprint(&self) -> Fingerprint {
        self.config.peer
    }

    /// Has a new session leave something out of its Hello.
    #[must_use]
    pub const fn resting(mut self, rest: RepairRest) -> Self {
        self.greeting.rest = rest;
        self
    }

    /// This node's Hello, as the peer gets it. `alterations`: how many this node has noticed.
    pub(in crate::session) fn own_hello(&mut self, mut hello: Hello, alterations: u64) -> Hello {
        self.report.alterations = alterations;
        match self.greeting.rest {
            RepairRest::Damage { alterations: known, damaged }
                if known == alterations && hello.is_altered() =>
            {
                hello.codecs.retain(|codec| *codec != Hello::ALTERED);
                self.report.rows_damaged = damaged;
                self.report.warn(Warning::Repaired { rows: 0, damaged });
            }
            RepairRest::Repairs => {
                hello.codecs.retain(|codec| ![Hello::ALTERED, Hello::REPAIRS].contains(codec));
            }
            _ => {}
        }
        hello
    }
}
