use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use vectr_delta::Fingerprint;

use crate::limits::bounds::{MIN_ARRIVAL_RATE, SMALL_ARRIVAL};

/// Large messages that have arrived in part, or whole and are still packed. All sessions of a node share the room for them.
///
/// A message of many frames is whole once its peer has sent the last one. Nobody waits for that: a message for which there
/// is no room ends its session, which is begun again later, and one that is slow does so once another one found no room.
/// A peer has a quarter of the room, or one message; and one message of the node has a place besides, however large it is.
pub(crate) struct Arrivals {
    limit: u64,
    room: Mutex<Room>,
}

#[derive(Default)]
struct Room {
    taken: u64,
    by_peer: HashMap<Fingerprint, Share>,
    /// The message that has the place besides.
    besides: Option<u64>,
    /// When a message last found no room.
    refused: Option<Instant>,
}

/// What a peer has of the room.
#[derive(Default)]
struct Share {
    bytes: u64,
    messages: u64,
}

/// The large message of one session. Its room is given back when it is dropped.
pub(crate) struct Arriving {
    arrivals: Arc<Arrivals>,
    peer: Fingerprint,
    held: u64,
    is_besides: bool,
    window: Window,
}

/// How much has arrived lately.
struct Window {
    since: Instant,
    bytes: u64,
}

impl Window {
    fn now() -> Self {
        Self { since: Instant::now(), bytes: 0 }
    }
}

impl Arrivals {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit: limit.max(1), room: Mutex::default() }
    }

    /// The bytes of all sessions.
    pub(crate) fn held(&self) -> u64 {
        let room = self.lock();
        room.taken + room.besides.unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arriving {
    pub(crate) fn new(arrivals: &Arc<Arrivals>, peer: Fingerprint) -> Self {
        Self { arrivals: Arc::clone(arrivals), peer, held: 0, is_besides: false, window: Window::now() }
    }

    /// The session has so many bytes of messages that it cannot take in yet. What most messages have counts for nothing.
    /// Returns false if there is no room for them, and the session has to end. Fewer than before always have.
    pub(crate) fn note(&mut self, bytes: u64) -> bool {
        let (before, now) = (self.held, if bytes > SMALL_ARRIVAL { bytes } else { 0 });
        if now == before {
            return true;
        }
        if before == 0 {
            self.window = Window::now();
        }
        self.window.bytes += now.saturating_sub(before);
        self.held = now;
        let arrivals = Arc::clone(&self.arrivals);
        let mut room = arrivals.lock();
        if self.is_besides {
            self.is_besides = now > 0;
            room.besides = (now > 0).then_some(now);
            return true;
        }
        room.take(self.peer, before, now);
        if now < before || room.has_enough(&self.peer, arrivals.limit) {
            return true;
        }
        if room.besides.is_some() {
            room.refused = Some(Instant::now());
            // Others are not to find less room because of it.
            room.take(self.peer, now, before);
            self.held = before;
            return false;
        }
        room.take(self.peer, now, 0);
        room.besides = Some(now);
        self.is_besides = true;
        true
    }

    /// Whether a large message is on its way.
    pub(crate) const fn is_large(&self) -> bool {
        self.held > 0
    }

    /// Whether the message has come more slowly than others can wait for, of which one found no room meanwhile. What it has
    /// to do in `patience` is looked at once that has passed.
    pub(crate) fn is_too_slow(&mut self, patience: Duration) -> bool {
        let elapsed = self.window.since.elapsed();
        if self.held == 0 || elapsed < patience {
            return false;
        }
        let window = std::mem::replace(&mut self.window, Window::now());
        let is_slow = window.bytes < MIN_ARRIVAL_RATE * elapsed.as_secs();
        is_slow && self.arrivals.lock().refused.is_some_and(|refused| refused >= window.since)
    }

    /// This node has not read what the peer may have sent.
    pub(crate) fn excuse(&mut self) {
        self.window = Window::now();
    }
}

impl Room {
    /// What one message of a peer takes, in place of what it took.
    fn take(&mut self, peer: Fingerprint, before: u64, now: u64) {
        let share = self.by_peer.entry(peer).or_default();
        share.messages = share.messages + u64::from(now > 0) - u64::from(before > 0);
        share.bytes = share.bytes + now - before;
        self.taken = self.taken + now - before;
        if share.messages == 0 {
            self.by_peer.remove(&peer);
        }
    }

    /// Whether all that was taken may be, by this peer and by all.
    fn has_enough(&self, peer: &Fingerprint, limit: u64) -> bool {
        let of_peer = self.by_peer.get(peer);
        let is_fair = of_peer.is_none_or(|share| share.messages == 1 || share.bytes <= limit / SHARES);
        is_fair && self.taken <= limit
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.note(0);
    }
}

/// What a peer is told for whose message there is none.
pub(crate) const NO_ROOM: &str = "large messages of others take the room of this node: try again";

/// The part of the room that one peer may take with several messages.
const SHARES: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 16 * SMALL_ARRIVAL;
    const PATIENCE: Duration = Duration::from_secs(1);

    fn sessions<const N: usize>(peers: [u8; N]) -> (Arc<Arrivals>, [Arriving; N]) {
        let arrivals = Arc::new(Arrivals::new(LIMIT));
        let sessions = peers.map(|peer| Arriving::new(&arrivals, Fingerprint::new([peer; 32])));
        (arrivals, sessions)
    }

    #[test]
    fn one_message_of_the_node_may_be_larger_than_the_room_and_small_ones_always_fit() {
        let (arrivals, [mut large, mut other, mut small]) = sessions([1, 2, 3]);
        assert!(large.note(LIMIT));
        assert!(large.note(20 * LIMIT));
        assert_eq!(arrivals.held(), 20 * LIMIT);
        assert!(other.note(LIMIT));
        assert!(!other.note(LIMIT + 1));
        assert!(small.note(SMALL_ARRIVAL));
        assert!(!small.note(SMALL_ARRIVAL + 1));
        drop(large);
        assert!(other.note(LIMIT + 2));
        drop((other, small));
        assert_eq!((arrivals.held(), arrivals.lock().by_peer.len()), (0, 0));
    }

    #[test]
    fn a_peer_with_many_sessions_leaves_room_to_others() {
        let (arrivals, [mut first, mut second, mut third, mut fourth, mut honest]) =
            sessions([1, 1, 1, 1, 2]);
        assert!(first.note(30 * LIMIT));
        assert!(second.note(LIMIT / 2));
        assert!(!third.note(LIMIT / 4), "its share is a quarter, or one message");
        drop(third);
        assert!(second.note(0));
        assert!(second.note(LIMIT / 8));
        assert!(fourth.note(LIMIT / 8));
        assert!(!fourth.note(LIMIT / 8 + 1));
        assert!(honest.note(LIMIT / 2));
        assert_eq!(arrivals.held(), 30 * LIMIT + LIMIT / 4 + LIMIT / 2);
    }

    #[test]
    fn a_slow_message_has_its_time_unless_another_one_found_no_room() {
        let (_, [mut slow, mut besides, mut other]) = sessions([1, 2, 3]);
        assert!(besides.note(LIMIT + 1) && slow.note(LIMIT - 1));
        slow.excuse();
        // Nothing has come of it for two seconds.
        let wait = |slow: &mut Arriving| slow.window.since -= Duration::from_secs(2);
        wait(&mut slow);
        assert!(!slow.is_too_slow(PATIENCE), "nobody was refused");
        wait(&mut slow);
        assert!(!other.note(SMALL_ARRIVAL * 2));
        assert!(slow.is_too_slow(PATIENCE));
        assert!(!slow.is_too_slow(PATIENCE), "it is looked at once in that time");
        wait(&mut slow);
        slow.excuse();
        assert!(!slow.is_too_slow(PATIENCE));
    }
}
