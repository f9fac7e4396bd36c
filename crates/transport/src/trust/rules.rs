use std::collections::BTreeSet;
use std::net::IpAddr;

use rustls::pki_types::UnixTime;
use vectr_delta::{Fingerprint, ShardId};

use super::authority::Authority;
use super::credentials::Credentials;
use super::distrust::Distrust;
use super::rights::{Access, Rights};
use super::secret::{ClusterSecret, Proven};

/// The trust rules of a node. With nothing configured, peers on loopback addresses are trusted, and nobody else.
///
/// A peer's certificate is accepted if it is pinned **or** issued by a configured authority. If there is a secret, the
/// peer has to prove it **as well**; with a secret alone, any certificate is accepted.
#[derive(Clone, Default, Debug)]
pub struct TrustRules {
    /// `None` if not configured; an empty set trusts nobody.
    pub(crate) pins: Option<BTreeSet<Fingerprint>>,
    pub(crate) authority: Option<Authority>,
    pub(crate) secrets: Vec<ClusterSecret>,
    pub(crate) any_peer: bool,
    /// `None`: trusted peers may read and write everything.
    pub(crate) rights: Option<Rights>,
}

impl TrustRules {
    /// Checks a peer by its certificates, what it has proven, and its address.
    pub(crate) fn check(
        &self,
        peer: &Credentials,
        proven: &Proven,
        remote: IpAddr,
        now: UnixTime,
    ) -> Result<(), Distrust> {
        self.check_certificate(peer, remote, now)?;
        let unproven = !self.secrets.is_empty() && !self.secrets.iter().any(|secret| secret.is_among(proven));
        if unproven { Err(Distrust::Secret) } else { Ok(()) }
    }

    /// As [`TrustRules::check`], before the peer could prove a secret.
    pub(crate) fn check_certificate(
        &self,
        peer: &Credentials,
        remote: IpAddr,
        now: UnixTime,
    ) -> Result<(), Distrust> {
        self.may_admit(peer, now)?;
        if self.trusts_only_this_machine() && !remote.to_canonical().is_loopback() {
            return Err(Distrust::Unknown);
        }
        Ok(())
    }

    /// As [`TrustRules::check_certificate`], before the peer's address is known.
    pub(crate) fn may_admit(&self, peer: &Credentials, now: UnixTime) -> Result<(), Distrust> {
        let is_pinned = |pins: &BTreeSet<Fingerprint>| pins.contains(&peer.fingerprint());
        if self.any_peer || self.pins.as_ref().is_some_and(is_pinned) {
            return Ok(());
        }
        match &self.authority {
            Some(authority) => authority.verify(peer, now),
            None if self.pins.is_none() => Ok(()),
            None => Err(Distrust::Unknown),
        }
    }

    pub(crate) fn access(&self, peer: &Credentials, shard: &ShardId, now: UnixTime) -> Access {
        let Some(rights) = &self.rights else { return Access::Write };
        let names =
            || self.authority.as_ref().map(|authority| authority.names(peer, now)).unwrap_or_default();
        rights.access(&peer.fingerprint(), names, shard)
    }

    /// Whether nothing is configured that could admit peers from other machines.
    pub(crate) fn trusts_only_this_machine(&self) -> bool {
        !self.any_peer && self.pins.is_none() && self.authority.is_none() && self.secrets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;

    use super::super::credentials::Role;
    use super::super::handle::Trust;
    use super::*;

    fn peer(name: &'static str) -> Credentials {
        Credentials::new(vec![CertificateDer::from(name.as_bytes())], Role::Client).unwrap()
    }

    fn verdict(trust: &Trust, peer: &Credentials, remote: &str) -> Result<(), Distrust> {
        let proven = Proven::default();
        trust.read(|rules| rules.check(peer, &proven, remote.parse().unwrap(), UnixTime::now()))
    }

    #[test]
    fn with_nothing_configured_only_this_machine_is_trusted() {
        let (trust, a) = (Trust::this_machine(), peer("a"));
        for remote in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(verdict(&trust, &a, remote), Ok(()), "{remote}");
        }
        for remote in
            ["192.168.1.2", "10.0.0.1", "8.8.8.8", "fe80::1", "2001:db8::1", "::ffff:10.0.0.1", "0.0.0.0"]
        {
            assert_eq!(verdict(&trust, &a, remote), Err(Distrust::Unknown), "{remote}");
        }
    }

    #[test]
    fn once_a_pin_was_configured_loopback_alone_is_not_enough() {
        let (trust, a, b) = (Trust::this_machine(), peer("a"), peer("b"));
        trust.pin(a.fingerprint());
        assert_eq!(verdict(&trust, &a, "192.0.2.1"), Ok(()));
        assert_eq!(verdict(&trust, &b, "127.0.0.1"), Err(Distrust::Unknown));
        assert!(trust.unpin(&a.fingerprint()) && !trust.unpin(&a.fingerprint()));
        assert_eq!(verdict(&trust, &a, "127.0.0.1"), Err(Distrust::Unknown), "the set became empty again");
    }

    #[test]
    fn an_empty_set_of_pins_trusts_nobody() {
        let (trust, a) = (Trust::this_machine(), peer("a"));
        trust.set_pins([a.fingerprint()]);
        assert_eq!(trust.pins(), [a.fingerprint()]);
        trust.set_pins([]);
        assert_eq!(verdict(&trust, &a, "127.0.0.1"), Err(Distrust::Unknown));
        assert!(trust.pins().is_empty());
    }

    #[test]
    fn any_peer_is_trusted_only_after_saying_so_and_until_the_rules_are_set_anew() {
        let (trust, a) = (Trust::this_machine(), peer("a"));
        trust.set_pins([]);
        trust.dangerous().accept_any_peer();
        assert_eq!(verdict(&trust, &a, "8.8.8.8"), Ok(()));
        trust.set(TrustRules::default());
        assert_eq!(verdict(&trust, &a, "8.8.8.8"), Err(Distrust::Unknown));
    }

    #[test]
    fn a_secret_is_demanded_besides_whatever_else_is_configured() {
        let secret = ClusterSecret::new("a secret of the tests").unwrap();
        let proven: Proven = {
            let offer = ClusterSecret::offer(std::slice::from_ref(&secret), &[0; 32]);
            ClusterSecret::answer(std::slice::from_ref(&secret), &[0; 32], &offer).unwrap().0
        };
        let a = peer("a");
        let pins = [None, Some(BTreeSet::from([a.fingerprint()])), Some(BTreeSet::new())];
        for (pins, any_peer) in pins.into_iter().flat_map(|pins| [(pins.clone(), false), (pins, true)]) {
            let trusted = any_peer || pins.as_ref().is_none_or(|pins| !pins.is_empty());
            let rules = TrustRules { pins, any_peer, secrets: vec![secret.clone()], ..TrustRules::default() };
            for remote in ["127.0.0.1", "192.0.2.1"] {
                let check = |proven| rules.check(&a, proven, remote.parse().unwrap(), UnixTime::now());
                assert_eq!(check(&proven).is_ok(), trusted, "{rules:?}");
                let unproven = if trusted { Distrust::Secret } else { Distrust::Unknown };
                assert_eq!(check(&Proven::default()), Err(unproven), "{rules:?}");
            }
        }
    }
}
