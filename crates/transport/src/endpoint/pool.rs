use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;

use crate::TransportError;
use crate::address::Address;
use crate::connection::{Connection, Lease};
use crate::protocol::CloseCode;
use crate::tls::tickets::Tickets;
use crate::trust::Credentials;

/// Counts of the connections that an endpoint made. Accepted connections are not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStatistics {
    /// Live connections with at least one open stream.
    pub active: usize,
    /// Live connections without open streams.
    pub idle: usize,
    /// Connections ever established.
    pub created: u64,
    /// Connections that have ended, for any reason.
    pub closed: u64,
    /// Connections whose opening was sent as 0-RTT data and accepted.
    pub zero_rtt_accepted: u64,
    /// Connections established over TCP because UDP did not get through.
    pub fallback: u64,
}

/// One connection per address, shared by all streams to it.
pub(crate) struct Pool {
    slots: Mutex<Slots>,
    limit: usize,
    created: AtomicU64,
    zero_rtt_accepted: AtomicU64,
    fallback: AtomicU64,
}

#[derive(Default)]
struct Slots {
    by_address: HashMap<Address, Slot>,
    /// Counts uses. The slot with the smallest number was used least recently.
    uses: u64,
    /// Counts renewals.
    generation: u64,
}

#[derive(Default)]
struct Slot {
    state: State,
    tickets: Arc<Tickets>,
    used: u64,
}

#[derive(Default)]
enum State {
    #[default]
    Vacant,
    Connecting(Outcome),
    Live(Arc<Connection>),
}

/// The result of a connection attempt; `None` while it is in progress.
pub(crate) type Outcome = watch::Receiver<Option<Result<Arc<Connection>, TransportError>>>;
type OutcomeSender = watch::Sender<Option<Result<Arc<Connection>, TransportError>>>;

/// The result of looking up an address.
pub(crate) enum Lookup {
    Live(Lease),
    /// A connection attempt is in progress: wait for its outcome.
    Connecting(Outcome),
    /// There is no connection. The caller has to connect, and then to call [`Pool::settle`].
    Vacant(Attempt, Arc<Tickets>),
}

/// A connection attempt that others may wait for.
pub(crate) struct Attempt {
    sender: OutcomeSender,
    /// The renewals before it began. An attempt that a renewal overtakes may have authenticated under the old trust
    /// configuration.
    generation: u64,
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: Mutex::default(),
            limit,
            created: AtomicU64::new(0),
            zero_rtt_accepted: AtomicU64::new(0),
            fallback: AtomicU64::new(0),
        }
    }

    /// Looks up an address. Makes room for a new connection by closing the idle one that was used least recently.
    pub(crate) fn find(&self, address: &Address) -> Result<Lookup, TransportError> {
        let mut slots = self.slots();
        slots.uses += 1;
        let used = slots.uses;
        if let Some(slot) = slots.by_address.get_mut(address) {
            slot.used = used;
            slot.clear_dead();
            match &slot.state {
                State::Live(connection) => return Ok(Lookup::Live(Lease::new(connection))),
                State::Connecting(outcome) => return Ok(Lookup::Connecting(outcome.clone())),
                State::Vacant => {}
            }
        }
        slots.make_room(self.limit)?;
        let slot = slots.by_address.entry(address.clone()).or_default();
        let (sender, outcome) = watch::channel(None);
        slot.used = used;
        slot.state = State::Connecting(outcome);
        let tickets = Arc::clone(&slot.tickets);
        Ok(Lookup::Vacant(Attempt { sender, generation: slots.generation }, tickets))
    }

    /// Ends a connection attempt started by [`Pool::find`], and wakes everyone waiting for it. After a renewal only those
    /// use the connection, which closes with its last stream.
    pub(crate) fn settle(
        &self,
        address: &Address,
        attempt: &Attempt,
        result: Result<Arc<Connection>, TransportError>,
    ) {
        let overtaken = {
            let mut slots = self.slots();
            let overtaken = slots.generation != attempt.generation;
            if !overtaken && let Some(slot) = slots.by_address.get_mut(address) {
                slot.state = match &result {
                    Ok(connection) => State::Live(Arc::clone(connection)),
                    Err(_) => State::Vacant,
                };
            }
            overtaken
        };
        let connection = result.as_ref().ok().cloned();
        if let Some(connection) = &connection {
            self.created.fetch_add(1, Ordering::Relaxed);
            self.fallback.fetch_add(u64::from(connection.raw.is_fallback()), Ordering::Relaxed);
        }
        // Until everyone has been woken, the connection must not look unused.
        let _held = connection.as_ref().map(Lease::new);
        attempt.sender.send_replace(Some(result));
        if let Some(connection) = connection.filter(|_| overtaken) {
            connection.retire();
        }
    }

    /// Leases a pooled connection, so that it cannot be closed as idle.
    pub(crate) fn lease(&self, connection: &Arc<Connection>) -> Result<Lease, TransportError> {
        let _slots = self.slots();
        connection.end().map_or_else(|| Ok(Lease::new(connection)), Err)
    }

    pub(crate) fn count_zero_rtt(&self) {
        self.zero_rtt_accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// The peer of the live connection to an address, or else the one that a session ticket is left for.
    pub(crate) fn known_peer(&self, address: &Address) -> Option<Credentials> {
        let mut slots = self.slots();
        let slot = slots.by_address.get_mut(address)?;
        slot.clear_dead();
        match &slot.state {
            State::Live(connection) => Some(connection.credentials().clone()),
            State::Vacant | State::Connecting(_) => slot.tickets.peer(),
        }
    }

    /// Makes later streams use new connections with a full handshake. Open streams continue.
    pub(crate) fn renew(&self) {
        let mut retired = Vec::new();
        {
            let mut slots = self.slots();
            slots.generation += 1;
            for slot in slots.by_address.values_mut() {
                slot.tickets.clear();
                // An attempt that is running ends outside of the pool.
                if let State::Live(connection) = std::mem::take(&mut slot.state) {
                    retired.push(connection);
                }
            }
        }
        retired.iter().for_each(|connection| connection.retire());
    }

    /// Whether this is the connection to an address.
    pub(crate) fn holds(&self, address: &Address, connection: &Arc<Connection>) -> bool {
        let slots = self.slots();
        let state = slots.by_address.get(address).map(|slot| &slot.state);
        matches!(state, Some(State::Live(held)) if Arc::ptr_eq(held, connection))
    }

    /// Whether there is a live connection to an address.
    pub(crate) fn is_connected(&self, address: &Address) -> bool {
        self.slots().by_address.get(address).is_some_and(|slot| slot.live().is_some())
    }

    pub(crate) fn statistics(&self) -> PoolStatistics {
        let slots = self.slots();
        let live = slots.by_address.values().filter_map(Slot::live);
        let (idle, active): (Vec<_>, Vec<_>) = live.partition(|connection| connection.is_idle());
        let created = self.created.load(Ordering::Relaxed);
        PoolStatistics {
            active: active.len(),
            idle: idle.len(),
            created,
            closed: created.saturating_sub((active.len() + idle.len()) as u64),
            zero_rtt_accepted: self.zero_rtt_accepted.load(Ordering::Relaxed),
            fallback: self.fallback.load(Ordering::Relaxed),
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().expect("nothing panics while it holds the pool")
    }
}

impl Slots {
    fn make_room(&mut self, limit: usize) -> Result<(), TransportError> {
        self.by_address.values_mut().for_each(Slot::clear_dead);
        self.forget_addresses(limit);
        let occupied = self.by_address.values().filter(|slot| !matches!(slot.state, State::Vacant)).count();
        if occupied < limit {
            return Ok(());
        }
        let idle = self
            .by_address
            .values_mut()
            .filter(|slot| slot.live().is_some_and(|connection| connection.is_idle()));
        let Some(oldest) = idle.min_by_key(|slot| slot.used) else {
            return Err(TransportError::Limit { limit });
        };
        if let State::Live(connection) = std::mem::take(&mut oldest.state) {
            let cause = connection.error_context().lost("it was idle, and the pool was full");
            connection.close(CloseCode::Done, b"idle", cause);
        }
        Ok(())
    }

    /// Tickets outlive their connections, but only for a limited number of addresses.
    fn forget_addresses(&mut self, limit: usize) {
        while self.by_address.len() >= limit.saturating_mul(4).max(64) {
            let vacant = self.by_address.iter().filter(|(_, slot)| matches!(slot.state, State::Vacant));
            let Some(oldest) = vacant.min_by_key(|(_, slot)| slot.used).map(|(address, _)| address.clone())
            else {
                return;
            };
            self.by_address.remove(&oldest);
        }
    }
}

impl Slot {
    fn live(&self) -> Option<&Arc<Connection>> {
        match &self.state {
            State::Live(connection) if connection.end().is_none() => Some(connection),
            _ => None,
        }
    }

    /// Clears a connection that has ended, or an attempt whose task is gone.
    fn clear_dead(&mut self) {
        let dead = match &self.state {
            State::Vacant => false,
            State::Connecting(outcome) => outcome.has_changed().is_err(),
            State::Live(connection) => connection.end().is_some(),
        };
        if dead {
            self.state = State::Vacant;
        }
    }
}
