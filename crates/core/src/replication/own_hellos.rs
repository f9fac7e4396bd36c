use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::file::presence::Presence;

/// The nonces of this database's last Hellos, and of all who have its file open. A Hello with one of them comes from the
/// database itself: an address in the list of peers leads back here. A copy, even one of the running process, draws other
/// nonces.
pub(crate) struct OwnHellos {
    nonces: Mutex<VecDeque<u64>>,
    /// `None` in memory.
    presence: Option<Arc<Presence>>,
}

impl OwnHellos {
    pub(crate) fn new(presence: Option<Arc<Presence>>) -> Self {
        Self { nonces: Mutex::default(), presence }
    }

    pub(crate) fn note(&self, nonce: u64) {
        if let Some(presence) = &self.presence {
            presence.note_hello(nonce);
        }
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.push_back(nonce);
        if nonces.len() > REMEMBERED {
            nonces.pop_front();
        }
    }

    pub(crate) fn contains(&self, nonce: u64) -> bool {
        self.presence.as_ref().is_some_and(|presence| presence.has_sent(nonce))
            || self.nonces.lock().unwrap_or_else(PoisonError::into_inner).contains(&nonce)
    }
}

/// More than the sessions that are in their handshake at a time.
const REMEMBERED: usize = 4_096;
