use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use vectr_delta::Fingerprint;

use crate::trust::Credentials;

/// The TLS session tickets of one address, all from the peer that was last authenticated there. Kept in memory only.
#[derive(Default)]
pub(crate) struct Tickets {
    state: Mutex<TicketState>,
}

#[derive(Default)]
struct TicketState {
    peer: Option<Credentials>,
    tickets: VecDeque<Tls13ClientSessionValue>,
    /// Counts how often the tickets were cleared.
    generation: u64,
}

impl Tickets {
    /// The peer that the remaining tickets are for.
    pub(crate) fn peer(&self) -> Option<Credentials> {
        let state = self.state();
        state.peer.clone().filter(|_| !state.tickets.is_empty())
    }

    /// Drops all tickets, including those that are still to arrive on existing connections.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        *state = TicketState { generation: state.generation + 1, ..TicketState::default() };
    }

    /// The view of one connection attempt.
    pub(crate) fn attempt(self: &Arc<Self>) -> Arc<AttemptTickets> {
        let generation = self.state().generation;
        Arc::new(AttemptTickets { all: Arc::clone(self), generation, progress: Mutex::default() })
    }

    fn add(
        &self,
        generation: u64,
        peer: &Credentials,
        tickets: impl IntoIterator<Item = Tls13ClientSessionValue>,
    ) {
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        let known = state.peer.as_ref().map(Credentials::fingerprint);
        if known != Some(peer.fingerprint()) {
            *state = TicketState { peer: Some(peer.clone()), tickets: VecDeque::new(), generation };
        }
        state.tickets.extend(tickets);
        let surplus = state.tickets.len().saturating_sub(MAX_TICKETS);
        state.tickets.drain(..surplus);
    }

    fn state(&self) -> MutexGuard<'_, TicketState> {
        self.state.lock().expect("nothing panics while it holds the tickets")
    }
}

/// The view that rustls has of the [`Tickets`] during one connection. Tickets that arrive are kept only after the peer
/// is authenticated, and under that peer.
pub(crate) struct AttemptTickets {
    all: Arc<Tickets>,
    generation: u64,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    offered: Option<Fingerprint>,
    authenticated: Option<Credentials>,
    pending: Vec<Tls13ClientSessionValue>,
}

impl AttemptTickets {
    /// The peer whose ticket this attempt offered.
    pub(crate) fn offered(&self) -> Option<Fingerprint> {
        self.progress().offered
    }

    /// Keeps the tickets that have arrived and those that will.
    pub(crate) fn authenticated(&self, peer: &Credentials) {
        let mut progress = self.progress();
        progress.authenticated = Some(peer.clone());
        let pending = std::mem::take(&mut progress.pending);
        self.all.add(self.generation, peer, pending);
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("nothing panics while it holds the progress of an attempt")
    }
}

impl fmt::Debug for AttemptTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptTickets").finish_non_exhaustive()
    }
}

impl ClientSessionStore for AttemptTickets {
    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut progress = self.progress();
        match &progress.authenticated {
            Some(peer) => self.all.add(self.generation, peer, [ticket]),
            None if progress.pending.len() < MAX_TICKETS => progress.pending.push(ticket),
            None => {}
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut state = self.all.state();
        let ticket = state.tickets.pop_back()?;
        self.progress().offered = state.peer.as_ref().map(Credentials::fingerprint);
        Some(ticket)
    }

    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
}

/// Each ticket can be used once; a listener sends two per connection.
const MAX_TICKETS: usize = 8;
