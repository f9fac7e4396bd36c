use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::server::{ServerSessionMemoryCache, StoresServerSessions};
use tokio::sync::watch;

use crate::{Trust, TrustRules};

/// The TLS sessions that clients may resume. Each can be used only once, which early data relies on.
///
/// A change of the trust rules forgets all of them: rustls asks no verifier when a session is resumed, so the ticket of a
/// peer that is no longer trusted would have its early data accepted, if never processed.
pub(crate) struct ServerSessions {
    state: Mutex<State>,
    size: usize,
}

struct State {
    rules: watch::Receiver<TrustRules>,
    sessions: Arc<ServerSessionMemoryCache>,
}

impl ServerSessions {
    pub(crate) fn new(trust: &Trust, size: usize) -> Arc<Self> {
        let state = State { rules: trust.changes(), sessions: ServerSessionMemoryCache::new(size) };
        Arc::new(Self { state: Mutex::new(state), size })
    }

    fn current(&self) -> Arc<ServerSessionMemoryCache> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // An error means that the rules are gone, and with them the node.
        if state.rules.has_changed().unwrap_or(true) {
            state.rules.mark_unchanged();
            state.sessions = ServerSessionMemoryCache::new(self.size);
        }
        Arc::clone(&state.sessions)
    }
}

impl fmt::Debug for ServerSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSessions").finish_non_exhaustive()
    }
}

impl StoresServerSessions for ServerSessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.current().put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.current().get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.current().take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A former member's ticket was accepted, and its early data buffered, until its connection was closed.
    #[test]
    fn a_change_of_trust_forgets_all_sessions() {
        let trust = Trust::this_machine();
        let sessions = ServerSessions::new(&trust, 8);
        assert!(sessions.put(vec![1], vec![2]));
        assert_eq!(sessions.get(&[1]), Some(vec![2]));
        trust.set_pins([]);
        assert_eq!(sessions.take(&[1]), None);
        assert!(sessions.put(vec![1], vec![3]));
        assert_eq!(sessions.take(&[1]), Some(vec![3]));
        assert_eq!(sessions.take(&[1]), None, "each is used once");
    }
}
