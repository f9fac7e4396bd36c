//! What somebody heard from a node.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Everything that a node sent in one attempt.
#[derive(Clone, Default)]
pub(crate) struct Recording(Arc<Mutex<Heard>>);

#[derive(Clone, Default)]
pub(crate) struct Heard {
    /// As it travelled: datagrams of QUIC, bytes of TCP.
    pub(crate) clear: Vec<u8>,
    /// Decrypted: the packets of QUIC, the bytes inside TLS.
    pub(crate) inside: Vec<u8>,
    /// The handshake of TLS, as QUIC carries it.
    pub(crate) handshake: Vec<u8>,
    /// The bytes on streams that are meant for an application.
    pub(crate) application: Vec<u8>,
    /// Each kind of frame, or of TLS message, with its size if that does not depend on chance.
    pub(crate) outline: BTreeSet<String>,
    /// How it ended, by the node's own words.
    pub(crate) end: String,
}

impl Recording {
    pub(crate) fn note(&self, add: impl FnOnce(&mut Heard)) {
        add(&mut self.0.lock().unwrap());
    }

    pub(crate) fn heard(&self) -> Heard {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn has_inside(&self, needle: &[u8]) -> bool {
        contains(&self.0.lock().unwrap().inside, needle)
    }

    /// Whether the node has sent a session that can be resumed.
    pub(crate) fn has_ticket(&self) -> bool {
        handshake_messages(&self.0.lock().unwrap().handshake).any(|(kind, _)| kind == TICKET)
    }
}

pub(crate) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// The kind and the length of each message of a handshake.
pub(crate) fn handshake_messages(bytes: &[u8]) -> impl Iterator<Item = (u8, usize)> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, behind) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        rest = behind.get(length..).unwrap_or_default();
        Some((head[0], length))
    })
}

/// A session ticket.
const TICKET: u8 = 4;
