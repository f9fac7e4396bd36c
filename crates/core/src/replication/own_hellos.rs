use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// The nonces of this database's last Hellos. A Hello with one of them comes from the database itself: an address in the
/// list of peers leads back here. A copy, even one of the running process, draws other nonces.
#[derive(Default)]
pub(crate) struct OwnHellos(Mutex<VecDeque<u64>>);

impl OwnHellos {
    pub(crate) fn note(&self, nonce: u64) {
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.push_back(nonce);
        if nonces.len() > REMEMBERED {
            nonces.pop_front();
        }
    }

    pub(crate) fn contains(&self, nonce: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&nonce)
    }
}

/// More than the sessions that are in their handshake at a time.
const REMEMBERED: usize = 4_096;
