use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use vectr_delta::Fingerprint;

use crate::trust::Credentials;

/// The TLS session tickets of one address, all of the peer that was last authenticated there. In memory only.
#[derive(Default)]
pub(crate) struct Tickets {
    stock: Mutex<Stock>,
}

#[derive(Default)]
struct Stock {
    peer: Option<Credentials>,
    tickets: VecDeque<Tls13ClientSessionValue>,
    /// Counts how often all was forgotten.
    era: u64,
}

impl Tickets {
    /// The peer that a ticket is left for.
    pub(crate) fn peer(&self) -> Option<Credentials> {
        let stock = self.stock();
        stock.peer.clone().filter(|_| !stock.tickets.is_empty())
    }

    /// Forgets all tickets, also those that are still to come over connections of before.
    pub(crate) fn clear(&self) {
        let mut stock = self.stock();
        *stock = Stock { era: stock.era + 1, ..Stock::default() };
    }

    /// The view of one connection attempt.
    pub(crate) fn attempt(self: &Arc<Self>) -> Arc<AttemptTickets> {
        let era = self.stock().era;
        Arc::new(AttemptTickets { all: Arc::clone(self), era, progress: Mutex::default() })
    }

    fn add(&self, era: u64, peer: &Credentials, tickets: impl IntoIterator<Item = Tls13ClientSessionValue>) {
        let mut stock = self.stock();
        if stock.era != era {
            return;
        }
        let known = stock.peer.as_ref().map(Credentials::fingerprint);
        if known != Some(peer.fingerprint()) {
            *stock = Stock { peer: Some(peer.clone()), tickets: VecDeque::new(), era };
        }
        stock.tickets.extend(tickets);
        let surplus = stock.tickets.len().saturating_sub(KEPT);
        stock.tickets.drain(..surplus);
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().expect("nothing panics while it holds the tickets")
    }
}

/// What rustls sees of the [`Tickets`] during one connection: tickets that arrive are kept only once the connection's
/// peer is authenticated, under that peer.
pub(crate) struct AttemptTickets {
    all: Arc<Tickets>,
    era: u64,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    offered: Option<Fingerprint>,
    authenticated: Option<Credentials>,
    waiting: Vec<Tls13ClientSessionValue>,
}

impl AttemptTickets {
    /// The peer whose ticket this attempt offered.
    pub(crate) fn offered(&self) -> Option<Fingerprint> {
        self.progress().offered
    }

    /// Keeps the tickets that have come and those that will.
    pub(crate) fn authenticated(&self, peer: &Credentials) {
        let mut progress = self.progress();
        progress.authenticated = Some(peer.clone());
        let waiting = std::mem::take(&mut progress.waiting);
        self.all.add(self.era, peer, waiting);
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
            Some(peer) => self.all.add(self.era, peer, [ticket]),
            None if progress.waiting.len() < KEPT => progress.waiting.push(ticket),
            None => {}
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut stock = self.all.stock();
        let ticket = stock.tickets.pop_back()?;
        self.progress().offered = stock.peer.as_ref().map(Credentials::fingerprint);
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

/// Tickets are good for one use each; a listener sends two a connection.
const KEPT: usize = 8;
