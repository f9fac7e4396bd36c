//! Places for connections whose peers were not admitted yet, so that strangers never take one of a member.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use crate::endpoint::admission::origin;
use crate::limits::{STRANGER_GRACE, WAITING_STRANGERS};

/// The strangers of one carrier.
///
/// Where all places are taken, the oldest connection from the address that holds most gives way, if that is another
/// address than the newcomer's, or has had `STRANGER_GRACE` to be admitted. So nobody who connects from one address keeps
/// others out, and connections from the same address are admitted if they are quick.
pub(crate) struct Strangers {
    state: Mutex<State>,
    /// Wakes those that wait for a place.
    left: Notify,
    most: usize,
}

#[derive(Default)]
struct State {
    /// In the order of their arrival.
    inside: Vec<Inside>,
    waiting: usize,
    next: u64,
}

struct Inside {
    number: u64,
    origin: IpAddr,
    since: Instant,
    /// Dropped to take the place back.
    _stay: oneshot::Sender<()>,
}

/// A place, held until it is dropped.
pub(crate) struct StrangerPlace {
    strangers: Arc<Strangers>,
    number: u64,
    stay: oneshot::Receiver<()>,
}

impl Strangers {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), left: Notify::new(), most })
    }

    /// Takes a place for a connection from `remote`; `None` if there is none.
    pub(crate) fn enter(self: &Arc<Self>, remote: IpAddr) -> Option<StrangerPlace> {
        self.enter_at(remote, Instant::now())
    }

    /// As [`Strangers::enter`], and waits for a place at most so long. `None` also if too many wait already.
    pub(crate) async fn enter_within(
        self: &Arc<Self>,
        remote: IpAddr,
        limit: Duration,
    ) -> Option<StrangerPlace> {
        if let Some(place) = self.enter(remote) {
            return Some(place);
        }
        let _waiting = Waiting::new(self)?;
        let entered = async {
            loop {
                let left = self.left.notified();
                if let Some(place) = self.enter(remote) {
                    return place;
                }
                // Nobody tells that a connection has had its time.
                let _ = tokio::time::timeout(STRANGER_GRACE, left).await;
            }
        };
        tokio::time::timeout(limit, entered).await.ok()
    }

    /// Whether half of the places are taken.
    pub(crate) fn is_crowded(&self) -> bool {
        self.state().inside.len() * 2 >= self.most
    }

    fn enter_at(self: &Arc<Self>, remote: IpAddr, now: Instant) -> Option<StrangerPlace> {
        let origin = origin(remote);
        let mut state = self.state();
        if state.inside.len() >= self.most {
            let oldest = state.oldest_of_heaviest()?;
            let Inside { origin: heaviest, since, .. } = state.inside[oldest];
            let gives_way = state.count(heaviest) > state.count(origin) + 1
                || now.saturating_duration_since(since) >= STRANGER_GRACE;
            if !gives_way {
                return None;
            }
            state.inside.remove(oldest);
        }
        let number = state.next;
        state.next += 1;
        let (_stay, stay) = oneshot::channel();
        state.inside.push(Inside { number, origin, since: now, _stay });
        Some(StrangerPlace { strangers: Arc::clone(self), number, stay })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the strangers")
    }
}

impl State {
    fn count(&self, origin: IpAddr) -> usize {
        self.inside.iter().filter(|inside| inside.origin == origin).count()
    }

    fn oldest_of_heaviest(&self) -> Option<usize> {
        let weights = self.inside.iter().map(|inside| self.count(inside.origin));
        let heaviest = weights.clone().max()?;
        weights.clone().position(|weight| weight == heaviest)
    }
}

impl StrangerPlace {
    /// Resolves when the place was given to somebody else.
    pub(crate) async fn lost(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.stay).await;
    }
}

impl Drop for StrangerPlace {
    fn drop(&mut self) {
        self.strangers.state().inside.retain(|inside| inside.number != self.number);
        self.strangers.left.notify_one();
    }
}

/// Counts somebody who waits, until it is dropped.
struct Waiting<'s>(&'s Strangers);

impl<'s> Waiting<'s> {
    fn new(strangers: &'s Strangers) -> Option<Self> {
        let mut state = strangers.state();
        if state.waiting >= WAITING_STRANGERS {
            return None;
        }
        state.waiting += 1;
        Some(Self(strangers))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_lost(place: &mut StrangerPlace) -> bool {
        place.stay.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    /// Twenty half-open handshakes from one address kept every member out.
    #[test]
    fn one_address_cannot_take_the_places_of_others() {
        let strangers = Strangers::new(8);
        let now = Instant::now();
        let mut flood: Vec<_> = (0..20).filter_map(|_| strangers.enter_at(ip("192.0.2.1"), now)).collect();
        assert_eq!(flood.len(), 8, "no more than there are places");
        let others: Vec<_> =
            (2..6).filter_map(|last| strangers.enter_at(ip(&format!("192.0.2.{last}")), now)).collect();
        assert_eq!(others.len(), 4);
        let lost: Vec<bool> = flood.iter_mut().map(is_lost).collect();
        assert_eq!(lost, [true, true, true, true, false, false, false, false], "the oldest give way");
        assert!(strangers.enter_at(ip("192.0.2.1"), now).is_none(), "it holds half of the places");
    }

    #[test]
    fn a_connection_that_took_its_time_gives_way_to_any_other() {
        let strangers = Strangers::new(2);
        let now = Instant::now();
        let mut places: Vec<_> = (0..2).filter_map(|_| strangers.enter_at(ip("::1"), now)).collect();
        assert!(strangers.enter_at(ip("::1"), now + STRANGER_GRACE / 2).is_none());
        let late = strangers.enter_at(ip("::1"), now + STRANGER_GRACE).unwrap();
        assert_eq!(places.iter_mut().map(is_lost).collect::<Vec<_>>(), [true, false]);
        drop((late, places));
        assert!(strangers.state().inside.is_empty());
    }

    #[tokio::test]
    async fn who_waits_gets_the_place_that_is_left_and_only_so_many_wait() {
        let strangers = Strangers::new(1);
        let place = strangers.enter(ip("::1")).unwrap();
        let waiting = {
            let strangers = Arc::clone(&strangers);
            tokio::spawn(
                async move { strangers.enter_within(ip("::1"), Duration::from_secs(60)).await.is_some() },
            )
        };
        while strangers.state().waiting == 0 {
            tokio::task::yield_now().await;
        }
        drop(place);
        assert!(waiting.await.unwrap());
        let _place = strangers.enter(ip("::1")).unwrap();
        strangers.state().waiting = WAITING_STRANGERS;
        assert!(strangers.enter_within(ip("::1"), Duration::from_secs(60)).await.is_none());
    }
}
