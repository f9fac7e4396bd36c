use std::fmt;
use std::num::NonZeroU32;

use bytes::{BufMut, Bytes, BytesMut};
use ring::{hmac, pbkdf2};

/// A cluster secret, prepared for giving and checking proofs. Never sent.
#[derive(Clone)]
pub(crate) struct ClusterSecret {
    key: hmac::Key,
    id: [u8; TAG],
}

/// A value known only to both ends of a TLS session; different for each connection, even if resumed.
pub(crate) type Exported = [u8; 32];

/// The secrets that a peer has proven on a connection.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(crate) struct Proven(Vec<[u8; TAG]>);

impl ClusterSecret {
    /// Derives a key from the text by stretching it, so that each guess is expensive; takes tens of milliseconds.
    /// Returns the reason if the text is too short or too long.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if !(MIN_LENGTH..=MAX_LENGTH).contains(&text.len()) {
            let length = text.len();
            return Err(format!(
                "it has {length} bytes: give {MIN_LENGTH} to {MAX_LENGTH}, ideally random (openssl rand -hex 32)"
            ));
        }
        let rounds = NonZeroU32::new(ROUNDS).expect("the number of rounds is not 0");
        let mut stretched = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, SALT, text.as_bytes(), &mut stretched);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &stretched);
        let id = tag(&key, b"vectr secret id", &[0; 32]);
        Ok(Self { key, id })
    }

    /// The client's first message: a proof for each secret that it knows.
    pub(crate) fn offer(secrets: &[Self], exported: &Exported) -> Bytes {
        tags(secrets.iter().take(MAX_SECRETS).map(|secret| tag(&secret.key, CLIENT_LABEL, exported)))
    }

    /// Checks the client's offer. Returns what it proves and the server's answer; `None` if it contains no valid proof.
    pub(crate) fn answer(secrets: &[Self], exported: &Exported, offer: &[u8]) -> Option<(Proven, Bytes)> {
        let shared = proven(secrets, CLIENT_LABEL, exported, offer)?;
        let answers = shared.iter().map(|secret| tag(&secret.key, SERVER_LABEL, exported));
        Some((shared.iter().map(|secret| secret.id).collect(), tags(answers)))
    }

    /// Checks the server's answer. Returns what it proves; `None` if it proves nothing.
    pub(crate) fn accept(secrets: &[Self], exported: &Exported, answer: &[u8]) -> Option<Proven> {
        let shared = proven(secrets, SERVER_LABEL, exported, answer)?;
        Some(shared.iter().map(|secret| secret.id).collect())
    }

    /// Whether the peer has proven this secret.
    pub(crate) fn is_among(&self, proven: &Proven) -> bool {
        proven.0.contains(&self.id)
    }
}

impl FromIterator<[u8; TAG]> for Proven {
    fn from_iter<I: IntoIterator<Item = [u8; TAG]>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}

impl fmt::Debug for ClusterSecret {
    /// Shows nothing of the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret")
    }
}

/// Our secrets for which there is a proof; `None` if there is none, or the message is malformed.
fn proven<'a>(
    secrets: &'a [ClusterSecret],
    label: &[u8],
    exported: &Exported,
    message: &[u8],
) -> Option<Vec<&'a ClusterSecret>> {
    let (count, tags) = message.split_first()?;
    let (tags, rest) = tags.as_chunks::<TAG>();
    if tags.len() != usize::from(*count) || !rest.is_empty() || tags.len() > MAX_SECRETS {
        return None;
    }
    let signed = [label, exported].concat();
    let is_proven =
        |secret: &&ClusterSecret| tags.iter().any(|tag| hmac::verify(&secret.key, &signed, tag).is_ok());
    let shared: Vec<_> = secrets.iter().filter(is_proven).collect();
    (!shared.is_empty()).then_some(shared)
}

fn tag(key: &hmac::Key, label: &[u8], exported: &Exported) -> [u8; TAG] {
    let tag = hmac::sign(key, &[label, exported].concat());
    tag.as_ref().try_into().expect("an HMAC-SHA-256 tag has 32 bytes")
}

fn tags(tags: impl ExactSizeIterator<Item = [u8; TAG]>) -> Bytes {
    let mut bytes = BytesMut::with_capacity(1 + tags.len() * TAG);
    bytes.put_u8(tags.len() as u8);
    tags.for_each(|tag| bytes.put_slice(&tag));
    bytes.freeze()
}

/// The label under which a TLS session exports the value that proofs are bound to.
pub(crate) const fn exported_label() -> &'static [u8] {
    b"EXPORTER-vectr-1-cluster-secret"
}

/// The maximum size of an offer or an answer, in bytes.
pub(crate) const MAX_OFFER: usize = 1 + MAX_SECRETS * TAG;

/// More than a rotation of secrets needs.
pub(crate) const MAX_SECRETS: usize = 8;

const TAG: usize = 32;
/// Different labels, so that a proof for one direction is invalid in the other.
const CLIENT_LABEL: &[u8] = b"vectr/1 caller";
const SERVER_LABEL: &[u8] = b"vectr/1 called";
const MIN_LENGTH: usize = 16;
const MAX_LENGTH: usize = 1024;
const ROUNDS: u32 = 100_000;
const SALT: &[u8] = b"vectr/1 cluster secret";

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> ClusterSecret {
        ClusterSecret::new(&format!("{text:-<16}")).unwrap()
    }

    #[test]
    fn both_ends_prove_what_they_share() {
        let (ours, theirs) = ([secret("new"), secret("old")], [secret("old"), secret("older")]);
        let offer = ClusterSecret::offer(&ours, &[7; 32]);
        let (proven, answer) = ClusterSecret::answer(&theirs, &[7; 32], &offer).unwrap();
        assert!(theirs[0].is_among(&proven) && !theirs[1].is_among(&proven));
        let proven = ClusterSecret::accept(&ours, &[7; 32], &answer).unwrap();
        assert!(ours[1].is_among(&proven) && !ours[0].is_among(&proven));
    }

    #[test]
    fn a_proof_is_good_for_one_session_one_direction_and_one_secret() {
        let (ours, other) = ([secret("ours")], [secret("other")]);
        let offer = ClusterSecret::offer(&ours, &[1; 32]);
        assert!(ClusterSecret::answer(&ours, &[2; 32], &offer).is_none(), "replayed");
        assert!(ClusterSecret::accept(&ours, &[1; 32], &offer).is_none(), "reflected");
        assert!(ClusterSecret::answer(&other, &[1; 32], &offer).is_none(), "wrong");
        let (_, answer) = ClusterSecret::answer(&ours, &[1; 32], &offer).unwrap();
        assert!(ClusterSecret::answer(&ours, &[1; 32], &answer).is_none(), "reflected");
    }

    #[test]
    fn a_malformed_list_of_proofs_proves_nothing() {
        let ours = [secret("ours")];
        let offer = ClusterSecret::offer(&ours, &[1; 32]);
        let mut cases = vec![vec![], vec![0], vec![1], vec![255], vec![9; 1 + 9 * TAG]];
        cases.push(offer[..offer.len() - 1].to_vec());
        cases.push([&offer[..], &[0]].concat());
        for bytes in cases {
            assert!(ClusterSecret::answer(&ours, &[1; 32], &bytes).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn a_secret_that_is_too_short_is_refused_without_being_shown() {
        let reason = ClusterSecret::new("hunter2").unwrap_err();
        assert!(reason.contains("7 bytes") && !reason.contains("hunter2"), "{reason}");
        assert!(ClusterSecret::new(&"x".repeat(1025)).is_err());
        assert_eq!(format!("{:?}", secret("ours")), "ClusterSecret");
    }
}
