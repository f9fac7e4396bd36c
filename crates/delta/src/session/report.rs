use std::fmt;
use std::time::Duration;

use crate::{Ended, Held, Hello, MAX_CLOCK_SKEW, Reject, ShardVersion, Strategy, VectorId};

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Each node has everything that the other had at the start, and has made it durable.
    Finished,
    /// Something stopped it. What was applied before stays applied.
    Failed {
        /// A stable error code. `ERR_RESTART` means: sync again at once.
        code: String,
        /// A message for people, in one line.
        reason: String,
        /// Whether a retry can help.
        retry: bool,
        /// Whether the peer ended the session.
        by_peer: bool,
    },
}

impl Ending {
    pub(super) fn of_reject(reject: Reject) -> Self {
        Self::Failed { code: reject.code, reason: reject.reason, retry: reject.retry, by_peer: true }
    }

    /// With its reason in one line: a peer has sent it, or what it is about.
    pub(super) fn in_one_line(self) -> Self {
        match self {
            Self::Failed { code, reason, retry, by_peer } => {
                Self::Failed { code, reason: printable(&reason), retry, by_peer }
            }
            Self::Finished => Self::Finished,
        }
    }
}

/// A text for logs and terminals: what would break their lines, colour them or turn their text around becomes a
/// space.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_mark_of_layout(c) { ' ' } else { c }).collect()
}

/// Separators of lines, and marks that change the direction of text.
const fn is_mark_of_layout(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// What a session did.
#[derive(Clone, Debug, Default)]
pub struct SessionReport {
    /// Rows sent.
    pub rows_sent: u64,
    /// Rows sent and to be sent, once the changelog is counted: while it is being read, at most so many; as many as are
    /// sent once it has been read to its end.
    pub rows_to_send: Option<u64>,
    /// Rows received.
    pub rows_received: u64,
    /// Received rows that changed this database.
    pub rows_applied: u64,
    /// Vectors that gained concurrent siblings here.
    pub conflicts: u64,
    /// Both nodes claim the same changes but hold different content, even after a repair where both can make one.
    pub digests_differ: bool,
    /// Repairs begun: at most one a session.
    pub repairs: u64,
    /// Rows of this database that a repair has changed or brought back.
    pub rows_repaired: u64,
    /// Rows of this database that still did not match their hashes after it.
    pub rows_damaged: u64,
    /// Some of these, at most [`DamagedRows::MAX_NAMED`](crate::DamagedRows::MAX_NAMED).
    pub damaged: Vec<VectorId>,
    /// [`ShardRead::alterations`](crate::ShardRead::alterations) at the start.
    pub alterations: u64,
    /// This node's strategy for the shard; `None` before the handshake is complete.
    pub strategy: Option<Strategy>,
    /// Whether neither node had a live row at the start.
    pub both_empty: bool,
    /// Warnings, at most 64.
    pub warnings: Vec<Warning>,
}

/// A condition worth reporting that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The peer uses another strategy.
    OtherStrategy {
        /// Ours.
        ours: Strategy,
        /// The peer's.
        theirs: Strategy,
    },
    /// The clocks differ by more than [`MAX_CLOCK_SKEW`].
    Clocks {
        /// By how much.
        apart: Duration,
        /// Whether the peer's clock is ahead.
        peer_ahead: bool,
    },
    /// Rows of the peer were held back here. A later sync applies them once the cause is gone.
    Held(Held),
    /// Rows of this node were held back by the peer.
    PeerHeld(Held),
    /// A row of this node could not be sent.
    Withheld {
        /// Which vector.
        id: VectorId,
        /// Why.
        code: &'static str,
    },
    /// The two nodes held different content of the same changes, or one of them knew that its rows were altered, and the
    /// shards were compared.
    Repaired {
        /// Rows of this database that changed or came back.
        rows: u64,
        /// Rows of this database that still do not match their hashes.
        damaged: u64,
    },
    /// More sites have changed the shard than it may have. Rows are taken in as ever, but nothing is claimed of these sites.
    FurtherSites {
        /// How many of them the peer has.
        sites: u64,
    },
    /// A copy of this node goes on under its site; this database now has a new site.
    Forked,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherStrategy { ours, theirs } => {
                write!(f, "the peer resolves concurrent versions by '{theirs}', this node by '{ours}'")
            }
            Self::Clocks { apart, peer_ahead } => {
                let whose = if *peer_ahead { "ahead of" } else { "behind" };
                write!(f, "the peer's clock is {} s {whose} this node's", apart.as_secs())
            }
            Self::Held(held) => write_held(f, held, "of the peer", "here"),
            Self::PeerHeld(held) => write_held(f, held, "of this node", "by the peer"),
            Self::Withheld { id, code } => {
                write!(f, "{code}: vector '{id}' was not sent: its stored content is damaged or too large")
            }
            Self::Repaired { rows, damaged } => {
                write!(f, "stored content was damaged, lost or altered by another program: ")?;
                write!(f, "{rows} vectors of this database were restored from the peer")?;
                match damaged {
                    0 => Ok(()),
                    _ => write!(f, ", and {damaged} are still damaged: sync with a peer that has them"),
                }
            }
            Self::FurtherSites { sites } => write!(
                f,
                "ERR_LIMIT: claims about {} sites of peers have room in a shard, and the peer has {sites} more: their \
                 vectors are here, but no node can tell whether it has all of them. Copy the vectors into a new shard",
                ShardVersion::MAX_SITES_OF_PEERS
            ),
            Self::Forked => f.write_str(
                "a copy of this node, made while it ran, has written under the same site: this one has taken a new site and \
                 written its versions again. Do not clone the memory of running nodes",
            ),
        }
    }
}

fn write_held(f: &mut fmt::Formatter<'_>, held: &Held, whose: &str, place: &str) -> fmt::Result {
    let Held { code, rows, newest, clock, .. } = held;
    write!(f, "{code}: {rows} rows {whose} were held back {place}")?;
    if let Some(first) = held.shown.first() {
        write!(f, ", '{first}' first")?;
    }
    if code == "ERR_CLOCK_SKEW" {
        let ahead = newest.since(*clock).as_secs();
        write!(f, "; the newest is stamped {ahead} s ahead of the clock {place}: correct the wrong clock")?;
    }
    Ok(())
}

impl SessionReport {
    pub(super) fn warn(&mut self, warning: Warning) {
        if self.warnings.len() < MAX_WARNINGS && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    pub(super) fn note_end(&mut self, ended: &Ended) {
        self.digests_differ |= ended.digests_differ;
        if ended.further_sites > 0 {
            self.warn(Warning::FurtherSites { sites: ended.further_sites });
        }
    }

    /// Whether either node held rows back.
    #[must_use]
    pub fn has_held_back(&self) -> bool {
        self.warnings.iter().any(|warning| matches!(warning, Warning::Held(_) | Warning::PeerHeld(_)))
    }

    pub(super) fn note_peer(&mut self, local: &Hello, peer: &Hello) {
        self.strategy = Some(local.strategy);
        self.both_empty = local.digest.rows() == 0 && peer.digest.rows() == 0;
        if local.strategy != peer.strategy {
            self.warn(Warning::OtherStrategy { ours: local.strategy, theirs: peer.strategy });
        }
        let peer_ahead = peer.clock > local.clock;
        let apart = peer.clock.since(local.clock).max(local.clock.since(peer.clock));
        if apart > MAX_CLOCK_SKEW {
            self.warn(Warning::Clocks { apart, peer_ahead });
        }
    }
}

const MAX_WARNINGS: usize = 64;
