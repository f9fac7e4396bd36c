use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use vectr_delta::Fingerprint;

use super::rules::TrustRules;

/// The peers that a node trusts. Clones share one state, which can change at any time; connections to peers that are no
/// longer trusted are closed at once.
#[derive(Clone)]
pub struct Trust {
    rules: Arc<watch::Sender<TrustRules>>,
}

impl Trust {
    /// Trusts peers on loopback addresses only: the rules when nothing is configured.
    #[must_use]
    pub fn this_machine() -> Self {
        Self { rules: Arc::new(watch::Sender::new(TrustRules::default())) }
    }

    /// Replaces all rules. Open connections are checked against the new ones at once.
    pub fn set(&self, rules: TrustRules) {
        self.rules.send_replace(rules);
    }

    /// Pins a peer. Once there is a pin, a loopback address alone no longer makes a peer trusted.
    pub fn pin(&self, peer: Fingerprint) {
        self.rules.send_modify(|rules| {
            rules.pins.get_or_insert_default().insert(peer);
        });
    }

    /// Unpins a peer; false if it was not pinned. Its connections are closed, unless another rule admits it.
    pub fn unpin(&self, peer: &Fingerprint) -> bool {
        let mut removed = false;
        self.rules.send_if_modified(|rules| {
            removed = rules.pins.as_mut().is_some_and(|pins| pins.remove(peer));
            removed
        });
        removed
    }

    /// Pins exactly these peers. An empty set trusts no peer by fingerprint.
    pub fn set_pins(&self, peers: impl IntoIterator<Item = Fingerprint>) {
        let pins: BTreeSet<_> = peers.into_iter().collect();
        self.rules.send_modify(|rules| rules.pins = Some(pins));
    }

    /// Operations that weaken a node's trust.
    #[must_use]
    pub const fn dangerous(&self) -> DangerousTrust<'_> {
        DangerousTrust { trust: self }
    }

    /// The pinned peers in ascending order.
    #[must_use]
    pub fn pins(&self) -> Vec<Fingerprint> {
        self.read(|rules| rules.pins.iter().flatten().copied().collect())
    }

    /// Reads the current rules. `look` must not block.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&TrustRules) -> T) -> T {
        look(&self.rules.borrow())
    }

    /// Notifies of each change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<TrustRules> {
        self.rules.subscribe()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read(|rules| fmt::Debug::fmt(rules, f))
    }
}

/// Operations that weaken a node's trust.
pub struct DangerousTrust<'a> {
    trust: &'a Trust,
}

impl DangerousTrust<'_> {
    /// Accepts any certificate on any network, until the rules are [replaced](Trust::set). A configured secret still
    /// has to be proven.
    pub fn accept_any_peer(&self) {
        self.trust.rules.send_modify(|rules| rules.any_peer = true);
    }
}
