use quinn::VarInt;
use quinn::crypto::rustls::HandshakeData;

/// The ALPN protocol of node-to-node traffic.
pub const ALPN: &str = "vectr/1";

/// The port of an address without one.
pub const DEFAULT_PORT: u16 = 4433;

/// The code sent when a stream half is dropped unfinished. Callers choose their own from 1 to 0xffff_feff.
pub const STREAM_ABANDONED: u32 = 0;

/// The code that refuses a stream of an unknown kind.
pub(crate) const STREAM_KIND_UNKNOWN: u32 = 0xffff_ff00;

/// The code that aborts a message stream with malformed content.
pub(crate) const STREAM_MALFORMED: u32 = 0xffff_ff01;

/// The code that aborts a message stream with a message of more arrays than are accepted.
pub(crate) const STREAM_LIMIT: u32 = 0xffff_ff02;

/// The reason sent with [`CloseCode::Trust`] if the cluster's secret is not shared.
pub(crate) const WITHOUT_SECRET: &[u8] = b"cluster secret";

/// The protocol of a connection, negotiated by ALPN. A new protocol needs a variant here and a case in the listener.
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

    /// The negotiated protocol; `None` if it is not supported.
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
    /// The acceptor echoes the bytes that follow.
    Ping = 1,
    /// Ordered messages, with acknowledgements and answers in the other direction.
    Messages = 2,
    /// The client proves that it knows the cluster's secret, then the server does.
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
    /// Nothing is wrong: the endpoint closed, or the connection was idle.
    Done = 0,
    /// The peer is not trusted.
    Trust = 1,
    /// The peer violated the protocol.
    Protocol = 2,
    /// The peer was trusted, but has to reconnect and authenticate again.
    Renewal = 3,
    /// There is no room for another connection. QUIC can also refuse one by itself, before its handshake.
    Busy = 4,
    /// The peer exceeded a limit, which the reason names.
    Limit = 5,
}

impl From<CloseCode> for VarInt {
    fn from(code: CloseCode) -> Self {
        Self::from_u32(code as u32)
    }
}
