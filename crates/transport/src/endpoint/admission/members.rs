//! Places for accepted connections whose peers were admitted.
//!
//! Where all places are taken, a newcomer gets that of another, in this order:
//! 1. of a peer with more connections than it needs, unless the newcomer has about as many;
//! 2. of a peer that was asked for a sign of life and has given none since;
//! 3. of an address with more than half of all places, if the newcomer calls from another one.
//!
//! By 2 and 3 only a newcomer that has less than its own share. Who took a place by 1 or 3 takes no other in that way for a
//! while, so that nobody comes and goes to drive others out.
//!
//! None of this ends a member that makes up identities, and answers from as many addresses as it likes.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use vectr_delta::Fingerprint;

use crate::connection::stream::PeerStream;
use crate::connection::{Connection, Lease};
use crate::endpoint::admission::origin;
use crate::endpoint::admission::tally::Tally;
use crate::endpoint::ping;
use crate::limits::{CONNECTIONS_OF_PEER, WAITING_MEMBERS, WAITING_OF_PEER};
use crate::protocol::{CloseCode, StreamKind};

pub(crate) struct Members {
    state: Mutex<State<Arc<Connection>>>,
    /// Wakes those that wait for a place.
    left: Notify,
}

/// What is asked of a connection to choose who gives way.
trait Occupant {
    /// Grows with each sign of life. `None` where silence says nothing.
    fn signs_of_life(&self) -> Option<u64>;

    /// Whether nothing is under way on it.
    fn is_idle(&self) -> bool;
}

struct State<C> {
    most: usize,
    /// In the order of their arrival, but those that were asked for a sign of life last come last.
    inside: Vec<Inside<C>>,
    peers: Tally<Fingerprint>,
    origins: Tally<IpAddr>,
    next: u64,
    /// The peers that wait for a look to be over.
    waiting: Vec<Fingerprint>,
    /// When peers were last asked for a sign of life.
    looked: Option<Instant>,
    /// Who took the place of a peer that was there, and when.
    drove_out: Vec<(Fingerprint, Instant)>,
}

struct Inside<C> {
    number: u64,
    peer: Fingerprint,
    origin: IpAddr,
    connection: C,
    asked: Option<Asked>,
}

/// That a peer was sent what it has to acknowledge.
#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    signs_of_life: u64,
}

/// A place, held until it is dropped.
pub(crate) struct MemberPlace {
    members: Arc<Members>,
    number: u64,
}

impl Members {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(most)), left: Notify::new() })
    }

    /// Whether a peer that calls from `remote` might get a place: otherwise its handshake is not worth it.
    pub(crate) fn may_enter(&self, remote: IpAddr) -> bool {
        let (state, now) = (self.state(), Instant::now());
        state.inside.len() < state.most
            || state.peers.is_any_heavy()
            || state.origins.is_heavy_beside(&origin(remote))
            || state.looked.is_none_or(|at| now < at + PATIENCE || now >= at + LOOK_INTERVAL)
            || state.inside.iter().any(|inside| inside.asked.is_some())
    }

    /// Takes a place; `None` if there is none.
    pub(crate) async fn enter(self: &Arc<Self>, connection: &Arc<Connection>) -> Option<MemberPlace> {
        if let Some(place) = self.take(connection) {
            return Some(place);
        }
        let _waiting = Waiting::new(self, connection.peer)?;
        let answers_are_due = self.look();
        loop {
            let left = self.left.notified();
            tokio::select! {
                biased;
                _ = connection.raw.closed() => return None,
                () = sleep_until(answers_are_due) => return self.take(connection),
                () = left => {
                    if let Some(place) = self.take(connection) {
                        return Some(place);
                    }
                }
            }
        }
    }

    fn take(self: &Arc<Self>, connection: &Arc<Connection>) -> Option<MemberPlace> {
        let (origin, occupant) = (origin(connection.remote().ip()), Arc::clone(connection));
        if connection.end().is_some() {
            return None;
        }
        let taken = self.state().take(connection.peer, origin, occupant, Instant::now())?;
        if let Some(gives_way) = taken.gives_way {
            let cause = "all places for connections were taken, and it had to give way to another peer";
            gives_way.close(CloseCode::Done, b"gives way", gives_way.error_context().lost(cause));
        }
        Some(MemberPlace { members: Arc::clone(self), number: taken.number })
    }

    /// Asks peers for a sign of life, unless that was done a moment ago. Returns when the answers are due.
    fn look(self: &Arc<Self>) -> Instant {
        let (mut state, now) = (self.state(), Instant::now());
        if let Some(at) = state.looked.filter(|at| now < *at + LOOK_INTERVAL) {
            return at + PATIENCE;
        }
        state.looked = Some(now);
        for (number, connection, signs_of_life) in state.next_to_ask() {
            let members = Arc::downgrade(self);
            tokio::spawn(async move {
                let asking = PeerStream::open(Lease::new(&connection), StreamKind::Ping, None);
                // One that has no stream to spare for this is not asked.
                let Ok(Ok(stream)) = timeout(PATIENCE - ANSWER, asking).await else { return };
                if let Some(members) = members.upgrade() {
                    members.state().note_asked(number, Asked { at: Instant::now(), signs_of_life });
                }
                // Whatever it sends back will do.
                let _ = ping::measure(stream, ANSWER).await;
            });
        }
        now + PATIENCE
    }

    fn state(&self) -> MutexGuard<'_, State<Arc<Connection>>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupant for Arc<Connection> {
    fn signs_of_life(&self) -> Option<u64> {
        // TCP repeats what is lost for as long as it likes, and tells when a peer is gone.
        (!self.raw.is_fallback()).then(|| self.raw.received())
    }

    fn is_idle(&self) -> bool {
        Connection::is_idle(self)
    }
}

/// A newcomer's place, and who lost one for it.
struct Taken<C> {
    number: u64,
    gives_way: Option<C>,
}

impl<C: Occupant + Clone> State<C> {
    fn new(most: usize) -> Self {
        Self {
            most,
            inside: Vec::new(),
            peers: Tally::new(CONNECTIONS_OF_PEER.max(most / 16)),
            origins: Tally::new((most / 2).max(1)),
            next: 0,
            waiting: Vec::new(),
            looked: None,
            drove_out: Vec::new(),
        }
    }

    /// `None` if nobody gives way.
    fn take(&mut self, peer: Fingerprint, origin: IpAddr, connection: C, now: Instant) -> Option<Taken<C>> {
        let mut gives_way = None;
        if self.inside.len() >= self.most {
            let number = self.gives_way(&peer, &origin, now)?;
            gives_way = self.remove(number);
        }
        let number = self.next;
        self.next += 1;
        self.inside.push(Inside { number, peer, origin, connection, asked: None });
        self.peers.add(peer);
        self.origins.add(origin);
        Some(Taken { number, gives_way })
    }

    /// Whose place the newcomer gets.
    fn gives_way(&mut self, peer: &Fingerprint, origin: &IpAddr, now: Instant) -> Option<u64> {
        self.drove_out.retain(|(_, at)| now < *at + PAUSE);
        let may_drive_out = !self.drove_out.iter().any(|(known, _)| known == peer);
        let heavy = self.peers.heaviest_beside(peer).filter(|_| may_drive_out);
        if let Some(number) = heavy.and_then(|heavy| self.least_needed(|inside| inside.peer == heavy)) {
            self.drove_out.push((*peer, now));
            return Some(number);
        }
        if !self.peers.is_within_share(peer) {
            return None;
        }
        if let Some(number) = self.silent(now) {
            return Some(number);
        }
        let heavy = self.origins.heaviest_beside(origin).filter(|_| may_drive_out)?;
        let number = self.least_needed(|inside| inside.origin == heavy)?;
        self.drove_out.push((*peer, now));
        Some(number)
    }

    /// The connection that has been silent longest since its peer was asked, once the answer is due.
    fn silent(&mut self, now: Instant) -> Option<u64> {
        let due = |asked: &Asked| now >= asked.at + ANSWER;
        for inside in &mut self.inside {
            let heard = inside.connection.signs_of_life();
            inside.asked = inside.asked.filter(|asked| heard == Some(asked.signs_of_life));
        }
        let silent =
            self.inside.iter().filter_map(|inside| Some((inside.asked.filter(due)?.at, inside.number)));
        silent.min().map(|(_, number)| number)
    }

    /// Of these connections one on which nothing is under way, if there is any; else the oldest.
    fn least_needed(&self, is_one: impl Fn(&Inside<C>) -> bool) -> Option<u64> {
        let candidates = self.inside.iter().filter(|inside| is_one(inside));
        candidates.map(|inside| (!inside.connection.is_idle(), inside.number)).min().map(|(_, number)| number)
    }

    fn remove(&mut self, number: u64) -> Option<C> {
        let at = self.inside.iter().position(|inside| inside.number == number)?;
        let Inside { peer, origin, connection, .. } = self.inside.remove(at);
        self.peers.remove(&peer);
        self.origins.remove(&origin);
        Some(connection)
    }

    /// Those that were not asked for longest, and what was heard of them until now.
    fn next_to_ask(&mut self) -> Vec<(u64, C, u64)> {
        let count = self.inside.len().min(ASKED_AT_A_TIME);
        let asked =
            self.inside[..count].iter().filter(|inside| inside.asked.is_none()).filter_map(|inside| {
                Some((inside.number, inside.connection.clone(), inside.connection.signs_of_life()?))
            });
        let asked = asked.collect();
        self.inside.rotate_left(count);
        asked
    }

    fn note_asked(&mut self, number: u64, asked: Asked) {
        if let Some(inside) = self.inside.iter_mut().find(|inside| inside.number == number) {
            inside.asked = Some(asked);
        }
    }
}

impl Drop for MemberPlace {
    fn drop(&mut self) {
        if self.members.state().remove(self.number).is_some() {
            self.members.left.notify_one();
        }
    }
}

/// Counts a peer that waits, until it is dropped.
struct Waiting<'m> {
    members: &'m Members,
    peer: Fingerprint,
}

impl<'m> Waiting<'m> {
    fn new(members: &'m Members, peer: Fingerprint) -> Option<Self> {
        let mut state = members.state();
        let of_peer = state.waiting.iter().filter(|waiting| **waiting == peer).count();
        if state.waiting.len() >= WAITING_MEMBERS || of_peer >= WAITING_OF_PEER {
            return None;
        }
        state.waiting.push(peer);
        drop(state);
        Some(Self { members, peer })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.members.state();
        if let Some(at) = state.waiting.iter().position(|waiting| *waiting == self.peer) {
            state.waiting.swap_remove(at);
        }
    }
}

/// How long a peer may take to show that it is there: what was sent is repeated meanwhile if it was lost.
const ANSWER: Duration = Duration::from_millis(1_500);
/// From the beginning of a look until all answers are due.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);
/// How long a peer that took the place of one that was there takes no other in that way.
const PAUSE: Duration = Duration::from_secs(10);
/// Connections that are asked for a sign of life in one look. The next goes on with the others.
const ASKED_AT_A_TIME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection with a name, which is busy or not, and has shown so many signs of life.
    #[derive(Clone)]
    struct Named(usize, bool, Arc<Mutex<u64>>);

    impl Occupant for Named {
        fn signs_of_life(&self) -> Option<u64> {
            Some(*self.2.lock().unwrap())
        }

        fn is_idle(&self) -> bool {
            !self.1
        }
    }

    fn named(name: usize) -> Named {
        Named(name, false, Arc::default())
    }

    fn peer(number: u8) -> Fingerprint {
        Fingerprint::new([number; 32])
    }

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// Fills all places with connections of these peers from these addresses, each named by its place.
    fn filled(with: impl IntoIterator<Item = (u8, u8)>) -> State<Named> {
        let with: Vec<_> = with.into_iter().collect();
        let mut state = State::new(with.len());
        for (at, (number, last)) in with.into_iter().enumerate() {
            let taken = state.take(peer(number), ip(last), named(at), Instant::now()).unwrap();
            assert!(taken.gives_way.is_none());
        }
        state
    }

    /// Who gives way to this peer from this address; 99 if nobody does.
    fn gives_way(state: &mut State<Named>, number: u8, last: u8) -> usize {
        let taken = state.take(peer(number), ip(last), named(50), Instant::now());
        taken.map_or(99, |taken| taken.gives_way.unwrap().0)
    }

    #[test]
    fn a_peer_with_more_connections_than_it_needs_gives_way_to_others() {
        let mut state = filled([(1, 1), (2, 2), (2, 2), (3, 3), (2, 4), (2, 5)]);
        state.inside[1].connection.1 = true;
        let lost = [10, 11, 12, 13].map(|number| gives_way(&mut state, number, number));
        assert_eq!(lost, [2, 4, 99, 99], "first those on which nothing is under way");
        assert_eq!(state.inside.len(), 6);
    }

    // It connected, drove somebody out, and hung up, again and again.
    #[test]
    fn who_comes_and_goes_drives_out_one_at_a_time() {
        let mut state = filled((0..8).map(|number| (number, 1)));
        let mut come_and_go = |after| {
            let taken = state.take(peer(20), ip(2), named(50), Instant::now() + after)?;
            state.remove(taken.number);
            assert!(
                state.take(peer(21), ip(1), named(60), Instant::now()).is_some(),
                "who was driven out is back"
            );
            Some(taken.gives_way.unwrap().0)
        };
        assert_eq!(come_and_go(Duration::ZERO), Some(0));
        assert_eq!(come_and_go(Duration::ZERO), None);
        assert_eq!(come_and_go(PAUSE), Some(1));
    }

    // Two heavy peers took places from each other without end.
    #[test]
    fn a_peer_with_about_as_many_connections_takes_no_place() {
        let mut state = filled([(1, 1), (1, 1), (1, 1), (2, 2), (2, 2), (2, 2)]);
        assert_eq!(gives_way(&mut state, 1, 1), 99);
        assert_eq!(gives_way(&mut state, 2, 2), 99);
        assert!([0, 3].contains(&gives_way(&mut state, 3, 3)));
        assert_eq!(gives_way(&mut state, 1, 1), 99, "of three, one would still be left to fight about");
    }

    #[test]
    fn an_address_with_more_than_half_of_the_places_gives_way_to_others() {
        let mut state = filled((0..8).map(|number| (number, 1)));
        assert_eq!(gives_way(&mut state, 20, 1), 99);
        let lost = [10, 11, 12, 13, 14].map(|number| gives_way(&mut state, number, number));
        assert_eq!(lost, [0, 1, 2, 3, 99]);
        // One that has its share already takes none from an office behind one address.
        let mut state = filled([(30, 30), (30, 30), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 1)]);
        assert_eq!(gives_way(&mut state, 30, 30), 99);
        assert_eq!(gives_way(&mut state, 31, 31), 2);
    }

    #[test]
    fn who_was_asked_in_vain_gives_way_once_the_answer_is_due() {
        let mut state = filled([(1, 1), (2, 2), (3, 3)]);
        let (at, before) = (Instant::now(), Instant::now() + ANSWER / 2);
        for (number, _, signs_of_life) in state.next_to_ask() {
            state.note_asked(number, Asked { at, signs_of_life });
        }
        *state.inside[0].connection.2.lock().unwrap() += 1;
        let mut take = |number, now| {
            state.take(peer(number), ip(number), named(50), now).map(|taken| taken.gives_way.unwrap().0)
        };
        assert_eq!(take(10, before), None);
        let gave_way = [11, 12, 13].map(|number| take(number, at + ANSWER));
        assert_eq!(gave_way, [Some(1), Some(2), None], "one for each newcomer; the first has answered");
    }

    #[test]
    fn places_that_are_left_are_counted_for_nobody() {
        let mut state = filled([(1, 1), (1, 1), (1, 1), (2, 1)]);
        assert!(state.peers.is_any_heavy() && state.origins.is_heavy_beside(&ip(2)));
        assert!(!state.origins.is_heavy_beside(&ip(1)));
        state.remove(0);
        assert!(!state.peers.is_any_heavy());
        for number in 0..4 {
            state.remove(number);
        }
        assert!(!state.origins.is_heavy_beside(&ip(2)));
        assert_eq!(state.take(peer(1), ip(1), named(4), Instant::now()).unwrap().number, 4);
    }

    #[test]
    fn all_are_asked_before_anybody_is_asked_again() {
        let mut state = filled((0..=255).chain(0..44).map(|number| (number, number)));
        let mut asked = || state.next_to_ask().into_iter().map(|(number, ..)| number).collect::<Vec<u64>>();
        assert_eq!(asked(), (0..256).collect::<Vec<u64>>());
        assert_eq!(asked()[..44], (256..300).collect::<Vec<u64>>());
    }
}
