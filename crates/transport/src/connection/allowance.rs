use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connection::raw::RawConnection;
use crate::limits::MAX_ALLOWANCES;

/// Lets the peer of a connection have more streams open than configured: one more for each purpose that an application
/// has an open stream for.
#[derive(Clone)]
pub struct StreamAllowances(Arc<Allowed>);

struct Allowed {
    raw: RawConnection,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    configured: u32,
    purposes: HashSet<String>,
}

impl StreamAllowances {
    pub(super) fn new(raw: RawConnection) -> Self {
        Self(Arc::new(Allowed { raw, state: Mutex::default() }))
    }

    /// The number without any allowance.
    pub(super) fn configure(&self, streams: u32) {
        self.0.state().configured = streams;
    }

    /// The peer may have one more stream open until what is returned is dropped. `None` if one for that purpose is there,
    /// or 4,096 for others. Has no effect over TCP.
    #[must_use]
    pub fn take(&self, purpose: &str) -> Option<StreamAllowance> {
        let mut state = self.0.state();
        if state.purposes.len() >= MAX_ALLOWANCES || !state.purposes.insert(purpose.to_owned()) {
            return None;
        }
        self.0.raw.set_max_streams(state.all());
        drop(state);
        Some(StreamAllowance { of: Arc::clone(&self.0), purpose: purpose.to_owned() })
    }
}

/// One stream more for the peer of a connection.
pub struct StreamAllowance {
    of: Arc<Allowed>,
    purpose: String,
}

impl Drop for StreamAllowance {
    fn drop(&mut self) {
        let mut state = self.of.state();
        state.purposes.remove(&self.purpose);
        self.of.raw.set_max_streams(state.all());
    }
}

impl Allowed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// With what quinn keeps back: it announces a higher limit only once that is more by an eighth, so that a peer with
    /// hundreds of streams would wait for ever for the next one.
    fn all(&self) -> u32 {
        let extra = self.purposes.len() as u32;
        let streams = self.configured.saturating_add(extra);
        if extra == 0 { streams } else { streams.saturating_add(streams / 7 + 1) }
    }
}
