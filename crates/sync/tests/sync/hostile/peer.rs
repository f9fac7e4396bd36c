use std::time::SystemTime;

use bytes::Bytes;
use vectr_delta::{
    ChangelogId, Cursor, Descriptor, Digest, Dot, End, FrameDecoder, Hello, Message, MessageDecoder,
    NodeName, Reject, Row, ShardVersion, Sibling, SiteId, Strategy, Timestamp, Uncompressed, VectorRow,
    VersionVector,
};
use vectr_sync::ShardTotals;
use vectr_transport::{Endpoint, EndpointConfig, Identity, PeerStream, TransportError, Trust};

use crate::support::{Node, id, payload, shard};

/// A peer that says what a test makes it say.
pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
}

/// One session of it.
pub(crate) struct Talk {
    stream: PeerStream,
    frames: FrameDecoder,
    messages: MessageDecoder,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let identity = Identity::ephemeral().unwrap();
        Self {
            endpoint: Endpoint::new(&identity, &Trust::this_machine(), EndpointConfig::default()).unwrap(),
        }
    }

    pub(crate) async fn open(&self, address: &str) -> Talk {
        Talk::of(self.endpoint.open(address, None).await.unwrap())
    }

    /// Opens a session and says hello. Returns the node's Hello, too.
    pub(crate) async fn meet(&self, address: &str, hello: Hello) -> (Talk, Hello) {
        let mut talk = self.open(address).await;
        talk.say(&Message::Hello(Box::new(hello))).await.unwrap();
        match talk.hear().await {
            Some(Message::Hello(theirs)) => (talk, *theirs),
            other => panic!("{other:?} in place of a hello"),
        }
    }
}

impl Talk {
    pub(crate) fn of(stream: PeerStream) -> Self {
        Self { stream, frames: FrameDecoder::default(), messages: MessageDecoder::default() }
    }

    pub(crate) async fn say(&mut self, message: &Message) -> Result<(), TransportError> {
        for frame in message.encode(&Uncompressed).unwrap() {
            self.stream.send.write(frame).await?;
        }
        Ok(())
    }

    pub(crate) async fn write(&mut self, frame: Bytes) {
        self.stream.send.write(frame).await.unwrap();
    }

    /// Whether the node still takes bytes.
    pub(crate) async fn try_write(&mut self, bytes: Bytes) -> bool {
        self.stream.send.write(bytes).await.is_ok()
    }

    /// Ends the session with this code.
    pub(crate) async fn reject(mut self, code: &str, reason: &str) {
        let reject = Reject { code: code.into(), reason: reason.into(), retry: true };
        self.say(&Message::Reject(reject)).await.unwrap();
        self.stream.send.finish();
        let _ = self.stream.send.delivered().await;
    }

    /// The next message; `None` once the stream has ended.
    pub(crate) async fn hear(&mut self) -> Option<Message> {
        loop {
            while let Some(frame) = self.frames.poll_frame().unwrap() {
                if let Some(message) = self.messages.receive(frame, &[&Uncompressed]).unwrap() {
                    return Some(message);
                }
            }
            let bytes = self.stream.recv.read().await.ok()??;
            self.frames.receive(&bytes);
        }
    }

    /// The first message that `pick` takes something from.
    pub(crate) async fn hear_of<T>(&mut self, pick: impl Fn(Message) -> Option<T>) -> Option<T> {
        loop {
            if let Some(picked) = pick(self.hear().await?) {
                return Some(picked);
            }
        }
    }

    /// The code with which the node ends the session.
    pub(crate) async fn refusal(&mut self) -> Option<String> {
        self.hear_of(|message| match message {
            Message::Reject(reject) => Some(reject.code),
            _ => None,
        })
        .await
    }
}

/// Of the node's sessions of the shard.
pub(crate) fn totals(node: &Node) -> ShardTotals {
    node.engine.totals().get(&shard()).copied().unwrap_or_default()
}

pub(crate) fn hello(site: u64) -> Hello {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Hello {
        nonce: 7,
        protocol: (1, 1),
        codecs: vec![0, Hello::LISTS],
        shard: shard(),
        live: false,
        node: NodeName::new("peer").unwrap(),
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
pub(crate) fn end(nonce: u64, index: u64) -> End {
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

/// A row of site 77 whose context names that many other sites, from `first` on.
pub(crate) fn wide(name: &str, seq: u64, first: u64, sites: u64) -> VectorRow {
    let mut context: VersionVector = (first..first + sites).map(|site| (SiteId::new(site), 1)).collect();
    let dot = Dot { site: SiteId::new(77), seq };
    context.add(dot);
    let version =
        Sibling::put(dot, Timestamp::from_micros(1_700_000_000_000_000), false, payload(&[1.0], "{}"));
    VectorRow { id: id(name), row: Row::new(vec![version], context).unwrap() }
}
