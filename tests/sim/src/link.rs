use bytes::Bytes;
use vectr_delta::{CommitNo, DeltaError, FrameDecoder, Message, MessageDecoder, Session, Uncompressed};

use crate::hellos::believe;
use crate::node::Moment;

/// A stream between two processes, with a session at each end.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) shard: usize,
    pub(crate) live: bool,
    /// Whether no faults are injected any more.
    pub(crate) fair: bool,
    pub(crate) ends: [Endpoint; 2],
    /// Nothing arrives any more.
    pub(crate) cut: bool,
    /// The time of the last event.
    pub(crate) progress: Moment,
}

/// One end of a [`Link`].
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) node: usize,
    /// The process that the session lives in.
    pub(crate) life: u64,
    pub(crate) session: Session,
    pub(crate) frames: FrameDecoder,
    pub(crate) messages: MessageDecoder,
    /// The transaction in which its last page was read.
    pub(crate) read_at: Option<CommitNo>,
    /// Whether the node has noted the Hellos.
    pub(crate) greeted: bool,
    /// The number of its Hello.
    pub(crate) nonce: u64,
    /// The session that a deliberate fault takes every Hello to build upon.
    pub(crate) believed: Option<u64>,
    /// Whether the session's end has been recorded.
    pub(crate) closed: bool,
    /// When the last frame to this end arrives.
    pub(crate) arrival: Moment,
    /// The arrival of a frame that later ones may overtake.
    pub(crate) straggler: Option<Moment>,
}

impl Link {
    pub(crate) fn is_open(&self) -> bool {
        !self.ends.iter().all(|end| end.closed)
    }

    pub(crate) fn joins(&self, a: usize, b: usize) -> bool {
        let nodes = [self.ends[0].node, self.ends[1].node];
        nodes == [a, b] || nodes == [b, a]
    }
}

impl Endpoint {
    pub(crate) fn new(node: usize, life: u64, session: Session) -> Self {
        Self {
            node,
            life,
            session,
            frames: FrameDecoder::default(),
            messages: MessageDecoder::default(),
            read_at: None,
            greeted: false,
            nonce: 0,
            believed: None,
            closed: false,
            arrival: 0,
            straggler: None,
        }
    }

    /// Passes all complete messages in the bytes to the session.
    pub(crate) fn receive(&mut self, bytes: &Bytes) {
        self.frames.receive(bytes);
        loop {
            match self.next_message() {
                Ok(Some(message)) => match self.believed {
                    Some(believed) => self.session.receive(believe(believed, message)),
                    None => self.session.receive(message),
                },
                Ok(None) => return,
                Err(error) => return self.session.reject(error.code(), &error.to_string(), true),
            }
        }
    }

    fn next_message(&mut self) -> Result<Option<Message>, DeltaError> {
        while let Some(frame) = self.frames.poll_frame()? {
            if let Some(message) = self.messages.receive(frame, &[&Uncompressed])? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}
