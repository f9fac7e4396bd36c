use std::collections::{BTreeMap, BTreeSet};

use vectr_delta::{Fingerprint, ShardId};

use crate::TransportError;

/// What trusted peers may do with which shards. A peer has the rights granted to its fingerprint, to the names in its
/// certificate if a configured authority issued it, and to everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    grants: BTreeMap<Subject, Grant>,
}

/// The shards that a subject may read, and those that it may read and write; `*` means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Shards to read.
    pub read: BTreeSet<String>,
    /// Shards to read and write.
    pub write: BTreeSet<String>,
}

/// What a peer may do with a shard. Each level includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing: not even learn whether it exists.
    None,
    /// Receive its changes.
    Read,
    /// Make changes to it.
    Write,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Peer(Fingerprint),
    Name(String),
    Everybody,
}

impl Rights {
    /// Grants nothing to anybody.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds to the rights of a subject: a fingerprint of 64 hexadecimal digits, a DNS name, or `*` for every trusted
    /// peer.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for any other subject.
    pub fn grant(&mut self, subject: &str, grant: Grant) -> Result<&mut Self, TransportError> {
        let known = self.grants.entry(Subject::parse(subject)?).or_default();
        known.read.extend(grant.read);
        known.write.extend(grant.write);
        Ok(self)
    }

    pub(crate) fn access(
        &self,
        peer: &Fingerprint,
        names: impl FnOnce() -> BTreeSet<String>,
        shard: &ShardId,
    ) -> Access {
        let of = |subject: &Subject| {
            self.grants.get(subject).map_or(Access::None, |grant| grant.access(shard.as_str()))
        };
        let plain = of(&Subject::Peer(*peer)).max(of(&Subject::Everybody));
        // Reading names requires verifying a certificate chain, so do it only if it may matter.
        if plain == Access::Write || !self.grants.keys().any(|subject| matches!(subject, Subject::Name(_))) {
            return plain;
        }
        names().into_iter().map(|name| of(&Subject::Name(name))).max().unwrap_or(Access::None).max(plain)
    }
}

impl Grant {
    fn access(&self, shard: &str) -> Access {
        let holds = |shards: &BTreeSet<String>| shards.contains(shard) || shards.contains(ALL);
        match (holds(&self.write), holds(&self.read)) {
            (true, _) => Access::Write,
            (false, true) => Access::Read,
            (false, false) => Access::None,
        }
    }
}

impl Subject {
    fn parse(text: &str) -> Result<Self, TransportError> {
        if text == ALL {
            return Ok(Self::Everybody);
        }
        if let Ok(fingerprint) = text.parse() {
            return Ok(Self::Peer(fingerprint));
        }
        let is_name = !text.is_empty()
            && text.len() <= 253
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte));
        if is_name {
            return Ok(Self::Name(text.to_ascii_lowercase()));
        }
        let hint =
            "give a fingerprint of 64 hexadecimal digits, a DNS name of a certificate, or '*' for every peer";
        Err(TransportError::argument("rights of", &text, hint))
    }
}

const ALL: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Fingerprint = Fingerprint::new([1; 32]);

    fn grant(read: &[&str], write: &[&str]) -> Grant {
        let set = |shards: &[&str]| shards.iter().map(|&shard| shard.to_owned()).collect();
        Grant { read: set(read), write: set(write) }
    }

    fn access(rights: &Rights, peer: Fingerprint, names: &[&str], shard: &str) -> Access {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        rights.access(&peer, || names, &ShardId::new(shard).unwrap())
    }

    #[test]
    fn a_peer_has_what_is_granted_to_its_fingerprint_its_names_and_everybody() {
        let mut rights = Rights::none();
        rights.grant(&PEER.to_string(), grant(&["a"], &["b"])).unwrap();
        rights.grant("Agent.Example", grant(&[], &["a"])).unwrap();
        rights.grant("*", grant(&["public"], &[])).unwrap();
        let other = Fingerprint::new([2; 32]);
        for (peer, names, shard, expected) in [
            (PEER, &[][..], "a", Access::Read),
            (PEER, &[][..], "b", Access::Write),
            (PEER, &[][..], "c", Access::None),
            (PEER, &["agent.example"][..], "a", Access::Write),
            (other, &["agent.example"][..], "a", Access::Write),
            (other, &["agent.example"][..], "b", Access::None),
            (other, &[][..], "public", Access::Read),
            (other, &[][..], "a", Access::None),
        ] {
            assert_eq!(access(&rights, peer, names, shard), expected, "{peer} {names:?} {shard}");
        }
    }

    #[test]
    fn a_star_means_every_shard_and_no_name_of_a_certificate_means_everybody() {
        let mut rights = Rights::none();
        rights.grant("admin.example", grant(&[], &["*"])).unwrap();
        assert_eq!(access(&rights, PEER, &["admin.example"], "anything"), Access::Write);
        assert_eq!(access(&rights, PEER, &["*", "example"], "anything"), Access::None);
        assert_eq!(access(&Rights::none(), PEER, &["admin.example"], "anything"), Access::None);
    }

    #[test]
    fn an_invalid_subject_is_refused() {
        for bad in ["", "a b", "päckchen", &"x".repeat(254)] {
            let error = Rights::none().grant(bad, Grant::default()).unwrap_err();
            assert_eq!(error.code(), "ERR_ARGUMENT", "{bad}");
        }
    }
}
