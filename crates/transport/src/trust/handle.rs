use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use vectr_delta::Fingerprint;

use super::rules::TrustRules;

/// Which peers a node talks to. Clones share one state, which may be changed at any time; connections whose peer is
/// no longer trusted are closed at once.
#[derive(Clone)]
pub struct Trust {
    rules: Arc<watch::Sender<TrustRules>>,
}

impl Trust {
    /// Nothing configured: every peer on a loopback address, nobody else.
    #[must_use]
    pub fn this_machine() -> Self {
        Self { rules: Arc::new(watch::Sender::new(TrustRules::default())) }
    }

    /// Replaces everything that was configured. Each open connection is checked against the new rules at once.
    pub fn set(&self, rules: TrustRules) {
        self.rules.send_replace(rules);
    }

    /// Trusts one more peer. From the first pin on a peer on a loopback address is not trusted for that alone.
    pub fn pin(&self, peer: Fingerprint) {
        self.rules.send_modify(|rules| {
            rules.pins.get_or_insert_default().insert(peer);
        });
    }

    /// Pins a peer no longer; false where it was not pinned. Its connections are closed, unless something else lets it
    /// in.
    pub fn unpin(&self, peer: &Fingerprint) -> bool {
        let mut removed = false;
        self.rules.send_if_modified(|rules| {
            removed = rules.pins.as_mut().is_some_and(|pins| pins.remove(peer));
            removed
        });
        removed
    }

    /// Pins exactly these peers; with none given, nobody.
    pub fn set_pins(&self, peers: impl IntoIterator<Item = Fingerprint>) {
        let pins: BTreeSet<_> = peers.into_iter().collect();
        self.rules.send_modify(|rules| rules.pins = Some(pins));
    }

    /// What weakens the trust of a node.
    #[must_use]
    pub const fn dangerous(&self) -> DangerousTrust<'_> {
        DangerousTrust { trust: self }
    }

    /// The pinned peers, in ascending order.
    #[must_use]
    pub fn pins(&self) -> Vec<Fingerprint> {
        self.read(|rules| rules.pins.iter().flatten().copied().collect())
    }

    /// Looks at the rules of this moment. Nothing may wait inside.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&TrustRules) -> T) -> T {
        look(&self.rules.borrow())
    }

    /// Wakes after each change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<TrustRules> {
        self.rules.subscribe()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|rules| fmt::Debug::fmt(rules, f))
    }
}

/// What weakens the trust of a node.
pub struct DangerousTrust<'a> {
    trust: &'a Trust,
}

impl DangerousTrust<'_> {
    /// Takes any certificate, on any network, until the rules are [set](Trust::set) anew. A configured secret is still
    /// to be proven.
    pub fn accept_any_peer(&self) {
        self.trust.rules.send_modify(|rules| rules.any_peer = true);
    }
}
