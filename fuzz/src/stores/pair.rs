//! One session between two stores, over real frames.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use vectr_core::VectrDB;
use vectr_core::replication::serve_blocking;
use vectr_delta::{
    Codec, Ending, Fingerprint, FrameDecoder, HelloOffer, MessageDecoder, NodeName, PageSize, Session,
    SessionConfig, ShardId, StoreRequest, Timestamp, Uncompressed,
};

use crate::decoders::message::CODECS;

/// One of the two.
pub(crate) struct Side<'d> {
    db: &'d VectrDB,
    shard: &'d ShardId,
    session: Session,
    frames: FrameDecoder,
    messages: MessageDecoder,
    codec: &'static dyn Codec,
    /// The frames that it has sent.
    pub(crate) sent: Vec<Bytes>,
}

impl<'d> Side<'d> {
    /// `number` names the peer. With `nonce` 0 the session has one that no other has.
    pub(crate) fn new(
        (db, shard): (&'d VectrDB, &'d ShardId),
        number: u8,
        clock: Timestamp,
        nonce: u64,
    ) -> Self {
        static NONCES: AtomicU64 = AtomicU64::new(1_000);
        let offer = HelloOffer {
            nonce: if nonce > 0 { nonce } else { NONCES.fetch_add(1, Ordering::Relaxed) },
            codecs: vec![0, 1],
            live: false,
            node: NodeName::new("node").expect("a short name"),
            clock,
            window: 4,
        };
        let (peer, page) = (Fingerprint::new([number; 32]), PageSize { bytes: 256, rows: 3 });
        let config = SessionConfig { peer, shard: shard.clone(), offer, page, keeps_cursor: true };
        let session = Session::new(config);
        let (frames, messages) = (FrameDecoder::default(), MessageDecoder::of_session());
        Self { db, shard, session, frames, messages, codec: &Uncompressed, sent: Vec::new() }
    }

    /// Carries out what the session asks for, and hands over at most `most` messages. Whether there was anything.
    fn step(&mut self, other: &mut Self, most: &mut usize) -> bool {
        let mut moved = false;
        while let Some(request) = self.session.poll_store() {
            moved = true;
            if !matches!(request, StoreRequest::AwaitCommit(_)) {
                let reply = serve_blocking(self.db, self.shard, request);
                self.session.handle_store(reply);
            }
        }
        while *most > 0
            && let Some(message) = self.session.poll_transmit()
        {
            moved = true;
            *most -= 1;
            for frame in message.encode(self.codec).expect("a session sends what can be sent") {
                other.receive(&frame);
                self.sent.push(frame);
            }
        }
        moved
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.frames.receive(bytes);
        while let Some(frame) = self.frames.poll_frame().expect("it was just sealed") {
            let message = self.messages.receive(frame, CODECS).expect("a session sends what can be read");
            if let Some(message) = message {
                self.session.receive(message);
            }
        }
    }

    /// Whether both have finished; otherwise both may try again.
    fn is_finished(&self) -> bool {
        match self.session.ending() {
            Some(Ending::Finished) => true,
            Some(Ending::Failed { retry: true, .. }) => false,
            other => panic!("two honest nodes do not end with {other:?}"),
        }
    }
}

/// Runs a session that is cut after so many messages. What was applied stays.
pub(crate) fn run<'d>(a: &mut Side<'d>, b: &mut Side<'d>, mut most: usize) {
    while a.step(b, &mut most) | b.step(a, &mut most) {}
    for side in [a, b] {
        side.session.handle_disconnect("it was cut");
        while let Some(request) = side.session.poll_store() {
            let reply = serve_blocking(side.db, side.shard, request);
            side.session.handle_store(reply);
        }
    }
}

/// Syncs two nodes until both are done.
pub(crate) fn sync(shard: &ShardId, nodes: &[VectrDB], (a, b): (usize, usize), clock: Timestamp) {
    for _ in 0..5 {
        let mut left = Side::new((&nodes[a], shard), b as u8, clock, 0);
        let mut right = Side::new((&nodes[b], shard), a as u8, clock, 0);
        run(&mut left, &mut right, usize::MAX);
        // Both are asked: either may not end so at all.
        if left.is_finished() & right.is_finished() {
            return;
        }
    }
    panic!("two honest nodes begin anew for ever");
}
