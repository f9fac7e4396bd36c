//! A session that says what its client makes it say, over a stream of bare QUIC.

use std::time::SystemTime;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};
use vectr_delta::{
    ChangelogId, Cursor, Descriptor, Digest, End, Frame, FrameDecoder, Hello, Message, MessageDecoder,
    NodeName, ShardVersion, SiteId, Strategy, Timestamp, Uncompressed, VersionVector,
};

use super::briefly;
use crate::hub::shard;

pub(super) struct Talk {
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
    frames: FrameDecoder,
    messages: MessageDecoder,
}

impl Talk {
    pub(super) async fn open(connection: &Connection) -> Option<Self> {
        let (mut send, recv) = briefly(connection.open_bi()).await?.ok()?;
        send.write_all(&[SESSION]).await.ok()?;
        Some(Self { send, recv, frames: FrameDecoder::default(), messages: MessageDecoder::default() })
    }

    /// Opens a session, and waits for the hub's Hello.
    pub(super) async fn meet(connection: &Connection, hello: Hello) -> Option<(Self, Hello)> {
        let mut talk = Self::open(connection).await?;
        talk.say(&Message::Hello(Box::new(hello))).await?;
        match talk.hear().await? {
            Message::Hello(theirs) => Some((talk, *theirs)),
            _ => None,
        }
    }

    pub(super) async fn say(&mut self, message: &Message) -> Option<()> {
        for frame in message.encode(&Uncompressed).unwrap() {
            self.write(&frame).await?;
        }
        Some(())
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Option<()> {
        briefly(self.send.write_all(bytes)).await?.ok()
    }

    /// The next message; `None` once the stream has ended, or too long nothing came.
    pub(super) async fn hear(&mut self) -> Option<Message> {
        loop {
            while let Some(frame) = self.frames.poll_frame().ok()? {
                if let Some(message) = self.messages.receive(frame, &[&Uncompressed]).ok()? {
                    return Some(message);
                }
            }
            let chunk = briefly(self.recv.read_chunk(usize::MAX, true)).await?.ok()??;
            self.frames.receive(&chunk.bytes);
        }
    }

    /// Hears until the hub ends the session, with this code if it says one.
    pub(super) async fn refusal(&mut self) -> Option<String> {
        loop {
            if let Message::Reject(reject) = self.hear().await? {
                return Some(reject.code);
            }
        }
    }
}

/// A Hello of a node that nobody has heard of.
pub(super) fn hello(site: u64) -> Hello {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Hello {
        nonce: 7,
        protocol: (1, 1),
        codecs: vec![0, 1, Hello::LISTS],
        shard: shard(),
        live: false,
        node: NodeName::new("hostile").unwrap(),
        site: SiteId::new(site),
        changelog: ChangelogId::new(9),
        descriptor: Descriptor::default(),
        strategy: Strategy::default(),
        version_vector: ShardVersion::new(),
        frontier: VersionVector::new(),
        cursor: None::<Cursor>,
        digest: Digest::default(),
        tight: true,
        clock: Timestamp::default().after(elapsed),
        window: 16,
    }
}

/// An End that claims nothing.
pub(super) fn end(nonce: u64, index: u64) -> End {
    End {
        nonce,
        index,
        position: 0,
        version_vector: ShardVersion::new(),
        frontier: VersionVector::new(),
        digest: Digest::default(),
        tight: false,
        names: std::collections::BTreeMap::new(),
    }
}

/// One whole frame around this body, with a checksum that matches.
pub(super) fn sealed(kind: u8, body: &[u8], more: bool) -> Bytes {
    Frame::piece(kind, [&[0; Frame::HEAD], body].concat(), more)
}

/// The first byte of a stream.
pub(super) const SESSION: u8 = 0;
/// Kinds of messages.
pub(super) const HELLO: u8 = 1;
pub(super) const BATCH: u8 = 2;
