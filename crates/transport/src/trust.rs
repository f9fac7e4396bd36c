use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;
use vectr_delta::Fingerprint;

use crate::TransportError;

/// Which peers a node talks to. Clones share one state, which may be changed at any time; connections whose peer is
/// no longer trusted are closed at once.
#[derive(Clone)]
pub struct Trust {
    rules: Arc<watch::Sender<Rules>>,
    ours: Option<Fingerprint>,
}

#[derive(Default)]
pub(crate) struct Rules {
    /// `None` until a pin is configured for the first time; an empty set trusts nobody.
    pins: Option<BTreeSet<Fingerprint>>,
    any_peer: bool,
}

impl Trust {
    /// Nothing configured: every peer on a loopback address, nobody else.
    #[must_use]
    pub fn this_machine() -> Self {
        Self { rules: Arc::new(watch::Sender::new(Rules::default())), ours: None }
    }

    /// Trusts one more peer. From the first pin on only pinned peers are trusted, on loopback as well.
    pub fn pin(&self, peer: Fingerprint) {
        self.rules.send_modify(|rules| {
            rules.pins.get_or_insert_default().insert(peer);
        });
    }

    /// Trusts a peer no longer; false where it was not pinned. Its connections are closed.
    pub fn unpin(&self, peer: &Fingerprint) -> bool {
        let mut removed = false;
        self.rules.send_if_modified(|rules| {
            removed = rules.pins.as_mut().is_some_and(|pins| pins.remove(peer));
            removed
        });
        removed
    }

    /// Trusts exactly these peers; with none given, nobody.
    pub fn set_pins(&self, peers: impl IntoIterator<Item = Fingerprint>) {
        let pins = peers.into_iter().collect();
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
        self.rules.borrow().pins.iter().flatten().copied().collect()
    }

    /// Whether a peer that proved this fingerprint from this address is trusted now.
    ///
    /// # Errors
    /// `ERR_TRUST` names the peer's fingerprint, our own, and the line to paste.
    pub fn check(&self, peer: &Fingerprint, remote: IpAddr) -> Result<(), TransportError> {
        let remote = remote.to_canonical();
        let rules = self.rules.borrow();
        let trusted = rules.any_peer
            || match &rules.pins {
                Some(pins) => pins.contains(peer),
                None => remote.is_loopback(),
            };
        if trusted {
            return Ok(());
        }
        Err(TransportError::Untrusted { peer: Some(*peer), remote, ours: self.ours })
    }

    /// Whether some address exists from which this peer would be trusted.
    pub(crate) fn may_admit(&self, peer: &Fingerprint) -> bool {
        let rules = self.rules.borrow();
        rules.any_peer || rules.pins.as_ref().is_none_or(|pins| pins.contains(peer))
    }

    /// The same trust, whose errors name our own fingerprint.
    pub(crate) fn of_node(&self, ours: Fingerprint) -> Self {
        Self { rules: Arc::clone(&self.rules), ours: Some(ours) }
    }

    /// Wakes after each change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<Rules> {
        self.rules.subscribe()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules.borrow();
        f.debug_struct("Trust").field("pins", &rules.pins).field("any_peer", &rules.any_peer).finish()
    }
}

/// What weakens the trust of a node.
pub struct DangerousTrust<'a> {
    trust: &'a Trust,
}

impl DangerousTrust<'_> {
    /// Talks to whoever calls or answers, on any network. There is no way back for this `Trust`.
    pub fn accept_any_peer(&self) {
        self.trust.rules.send_modify(|rules| rules.any_peer = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Fingerprint = Fingerprint::new([1; 32]);
    const B: Fingerprint = Fingerprint::new([2; 32]);

    fn admits(trust: &Trust, peer: &Fingerprint, remote: &str) -> bool {
        trust.check(peer, remote.parse().unwrap()).is_ok()
    }

    #[test]
    fn with_nothing_configured_only_this_machine_is_trusted() {
        let trust = Trust::this_machine();
        for remote in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(admits(&trust, &A, remote), "{remote}");
        }
        for remote in
            ["192.168.1.2", "10.0.0.1", "8.8.8.8", "fe80::1", "2001:db8::1", "::ffff:10.0.0.1", "0.0.0.0"]
        {
            assert_eq!(trust.check(&A, remote.parse().unwrap()).unwrap_err().code(), "ERR_TRUST");
        }
    }

    #[test]
    fn once_a_pin_was_configured_loopback_alone_is_not_enough() {
        let trust = Trust::this_machine();
        trust.pin(A);
        assert!(admits(&trust, &A, "192.0.2.1") && admits(&trust, &A, "127.0.0.1"));
        assert!(!admits(&trust, &B, "127.0.0.1"));
        assert!(trust.unpin(&A) && !trust.unpin(&A));
        assert!(!admits(&trust, &A, "127.0.0.1"), "the set became empty again");
    }

    #[test]
    fn an_empty_set_of_pins_trusts_nobody() {
        let trust = Trust::this_machine();
        trust.set_pins([B, A]);
        assert_eq!(trust.pins(), [A, B]);
        trust.set_pins([]);
        assert!(!admits(&trust, &A, "127.0.0.1") && trust.pins().is_empty());
    }

    #[test]
    fn any_peer_is_trusted_only_after_saying_so() {
        let trust = Trust::this_machine();
        trust.set_pins([]);
        trust.dangerous().accept_any_peer();
        assert!(admits(&trust, &B, "8.8.8.8"));
    }

    #[test]
    fn the_error_names_both_fingerprints() {
        let trust = Trust::this_machine().of_node(B);
        let text = trust.check(&A, "192.0.2.7".parse().unwrap()).unwrap_err().to_string();
        for part in [A.to_string(), B.to_string(), "192.0.2.7".to_owned()] {
            assert!(text.contains(&part), "{text}");
        }
    }
}
