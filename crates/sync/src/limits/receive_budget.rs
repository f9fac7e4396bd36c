use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use vectr_delta::Fingerprint;

use crate::limits::bounds::MAX_DECODED_APART;

/// Bytes that peers have sent and this node has not applied. All sessions of a node share it.
///
/// Nothing here waits for a peer: a session reads on beyond the limit once its own storage has nothing to do, and the
/// turn to unpack a large message ends when its rows are applied.
pub(crate) struct ReceiveBudget {
    limit: u64,
    unapplied: AtomicU64,
    /// The one large message with rows of the node.
    turn: Arc<Semaphore>,
    /// Those without, while they are decoded.
    without_rows: Arc<Semaphore>,
    /// The one of each peer that may wait for the node's: many sessions of a peer wait no less long than another peer.
    lanes: Mutex<HashMap<Fingerprint, Weak<Semaphore>>>,
}

/// What one session has of the budget. Given back when it is dropped.
pub(crate) struct ReceiveAccount {
    budget: Arc<ReceiveBudget>,
    peer: Fingerprint,
    unapplied: AtomicU64,
    turn: Mutex<Option<Turn>>,
}

/// The right to have the rows of a large message in memory.
#[derive(Debug)]
pub(crate) struct Turn {
    _lane: Option<OwnedSemaphorePermit>,
    _turn: OwnedSemaphorePermit,
}

impl ReceiveBudget {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit: limit.max(1),
            unapplied: AtomicU64::new(0),
            turn: Arc::new(Semaphore::new(1)),
            without_rows: Arc::new(Semaphore::new(MAX_DECODED_APART)),
            lanes: Mutex::default(),
        }
    }

    /// The bytes of all sessions that wait to be applied.
    pub(crate) fn unapplied(&self) -> u64 {
        self.unapplied.load(Ordering::Relaxed)
    }

    fn lane(&self, peer: Fingerprint) -> Arc<Semaphore> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&peer).and_then(Weak::upgrade) {
            return lane;
        }
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Arc::new(Semaphore::new(1));
        lanes.insert(peer, Arc::downgrade(&lane));
        lane
    }
}

impl ReceiveAccount {
    pub(crate) fn new(budget: &Arc<ReceiveBudget>, peer: Fingerprint) -> Self {
        Self { budget: Arc::clone(budget), peer, unapplied: AtomicU64::new(0), turn: Mutex::default() }
    }

    /// The session has so many bytes that are not applied.
    pub(crate) fn note_unapplied(&self, bytes: u64) {
        let before = self.unapplied.swap(bytes, Ordering::Relaxed);
        // Added first: nobody sees less than there is.
        self.budget.unapplied.fetch_add(bytes, Ordering::Relaxed);
        self.budget.unapplied.fetch_sub(before, Ordering::Relaxed);
    }

    /// Whether a session whose storage is busy may read on.
    pub(crate) fn has_room(&self) -> bool {
        self.budget.unapplied() < self.budget.limit && self.lock_turn().is_none()
    }

    /// Waits for the node's turn to unpack a large message: behind the peers that came before, once each.
    pub(crate) fn wait_for_turn(&self, has_rows: bool) -> impl Future<Output = Option<Turn>> + Send + use<> {
        let lane = has_rows.then(|| self.budget.lane(self.peer));
        let turn = Arc::clone(if has_rows { &self.budget.turn } else { &self.budget.without_rows });
        async move {
            // None of them is ever closed.
            let lane = match lane {
                Some(lane) => Some(lane.acquire_owned().await.ok()?),
                None => None,
            };
            Some(Turn { _lane: lane, _turn: turn.acquire_owned().await.ok()? })
        }
    }

    /// The unpacked message is the session's now, which keeps the turn until its rows are applied.
    pub(crate) fn keep_turn(&self, turn: Option<Turn>) {
        *self.lock_turn() = turn;
    }

    pub(crate) fn end_turn(&self) {
        self.keep_turn(None);
    }

    fn lock_turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ReceiveAccount {
    fn drop(&mut self) {
        self.note_unapplied(0);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ONE: Fingerprint = Fingerprint::new([1; 32]);
    const OTHER: Fingerprint = Fingerprint::new([2; 32]);

    fn account(budget: &Arc<ReceiveBudget>) -> ReceiveAccount {
        ReceiveAccount::new(budget, ONE)
    }

    #[test]
    fn a_session_gives_back_what_it_had() {
        let budget = Arc::new(ReceiveBudget::new(100));
        let accounts = [account(&budget), account(&budget)];
        accounts[0].note_unapplied(70);
        assert!(accounts[1].has_room());
        accounts[1].note_unapplied(40);
        assert_eq!(budget.unapplied(), 110);
        assert!(!accounts[0].has_room() && !accounts[1].has_room());
        accounts[0].note_unapplied(20);
        assert!(accounts[1].has_room());
        drop(accounts);
        assert_eq!(budget.unapplied(), 0);
    }

    #[tokio::test]
    async fn large_messages_are_unpacked_one_at_a_time() {
        let budget = Arc::new(ReceiveBudget::new(100));
        let [first, second] = [account(&budget), ReceiveAccount::new(&budget, OTHER)];
        first.keep_turn(first.wait_for_turn(true).await);
        assert!(!first.has_room(), "its rows are not applied");
        let mut waiting = tokio::spawn(second.wait_for_turn(true));
        tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.unwrap_err();
        first.end_turn();
        second.keep_turn(waiting.await.unwrap());
        // A session that ends gives the turn back as well.
        drop(second);
        first.keep_turn(first.wait_for_turn(true).await);
        assert_eq!(budget.lanes.lock().unwrap().len(), 1, "those of peers that are gone");
    }

    #[tokio::test]
    async fn many_sessions_of_a_peer_have_one_place() {
        let budget = Arc::new(ReceiveBudget::new(100));
        let sessions: Vec<ReceiveAccount> = (0..5).map(|_| account(&budget)).collect();
        let held = sessions[0].wait_for_turn(true).await;
        let waiting: Vec<_> =
            sessions.iter().map(|session| tokio::spawn(session.wait_for_turn(true))).collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let other = ReceiveAccount::new(&budget, OTHER);
        let others = tokio::spawn(other.wait_for_turn(true));
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(held);
        let turn = others.await.unwrap();
        assert!(!waiting.iter().any(tokio::task::JoinHandle::is_finished), "they came before");
        drop(turn);
        for one in waiting {
            drop(one.await.unwrap());
        }
    }
}
