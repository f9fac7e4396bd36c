use quinn::VarInt;
use quinn::crypto::rustls::HandshakeData;

/// The ALPN protocol of node to node traffic.
pub const ALPN: &str = "vectr/1";

/// The port of an address that names none.
pub const DEFAULT_PORT: u16 = 4433;

/// The code that a stream half sends when it is dropped unfinished. Callers choose theirs from 1 to 0xffff_feff.
pub const STREAM_ABANDONED: u32 = 0;

/// The code with which a stream of an unknown kind is refused.
pub(crate) const STREAM_KIND_UNKNOWN: u32 = 0xffff_ff00;

/// The code with which a message stream is broken off whose bytes keep to no rule.
pub(crate) const STREAM_MALFORMED: u32 = 0xffff_ff01;

/// The reason that goes with [`CloseCode::Trust`] where the cluster's secret is the matter.
pub(crate) const WITHOUT_SECRET: &[u8] = b"cluster secret";

/// What a connection speaks, by ALPN. Another protocol joins here and in the listener's dispatch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    Vectr1,
}

impl Protocol {
    pub(crate) const ALL: [Self; 1] = [Self::Vectr1];

    pub(crate) const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Vectr1 => ALPN.as_bytes(),
        }
    }

    /// What the two sides agreed on; `None` for something that is not spoken here.
    pub(crate) fn of(connection: &quinn::Connection) -> Option<Self> {
        let data = connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
        let agreed = data.protocol?;
        Self::ALL.into_iter().find(|protocol| protocol.alpn() == agreed)
    }
}

/// The first byte of each `vectr/1` stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StreamKind {
    /// Everything after the first byte belongs to the caller.
    Session = 0,
    /// The acceptor sends the bytes that follow back.
    Ping = 1,
    /// Messages in order, and what came of them in the other direction.
    Messages = 2,
    /// The side that called proves that it knows the cluster's secret, then the other one.
    Proof = 3,
}

impl StreamKind {
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Session),
            1 => Some(Self::Ping),
            2 => Some(Self::Messages),
            3 => Some(Self::Proof),
            _ => None,
        }
    }
}

/// Why one side closes a connection: the QUIC application error code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CloseCode {
    /// Nothing is wrong: an endpoint ends, or a connection was idle.
    Done = 0,
    /// The other side is not trusted here.
    Trust = 1,
    /// The other side does not keep to the protocol.
    Protocol = 2,
    /// The other side was trusted, and has to connect and prove itself anew.
    Renewal = 3,
    /// This side has no room for another connection. Over TCP only: QUIC has a refusal of its own.
    Busy = 4,
}

impl From<CloseCode> for VarInt {
    fn from(code: CloseCode) -> Self {
        Self::from_u32(code as u32)
    }
}
