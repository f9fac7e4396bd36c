//! Two sessions, each over its own database, that exchange real frames.

use std::sync::atomic::{AtomicU64, Ordering};

use vectr_core::VectrDB;
use vectr_core::replication::serve_blocking;
use vectr_delta::{
    Ending, Fingerprint, FrameDecoder, Hello, HelloOffer, MessageDecoder, NodeName, PageSize, Session,
    SessionConfig, SessionReport, ShardId, StoreReply, Timestamp, Uncompressed,
};

/// What one side says afterwards.
pub struct Outcome {
    pub report: SessionReport,
    pub ending: Ending,
}

/// One session of two databases, which their peers know by a number.
pub fn session(
    shard: &ShardId,
    (a, a_number): (&VectrDB, u8),
    (b, b_number): (&VectrDB, u8),
    clock: Timestamp,
) -> (Outcome, Outcome) {
    let a = Side::new(a, shard, super::peer(b_number), clock);
    run(a, Side::new(b, shard, super::peer(a_number), clock))
}

fn run(mut a: Side<'_>, mut b: Side<'_>) -> (Outcome, Outcome) {
    while a.step(&mut b) | b.step(&mut a) {}
    (a.outcome(), b.outcome())
}

/// Syncs until both sides are done; a session that says so is begun afresh.
pub fn sync(
    shard: &ShardId,
    a: (&VectrDB, u8),
    b: (&VectrDB, u8),
    clock: Timestamp,
) -> (SessionReport, SessionReport) {
    for _ in 0..5 {
        let (left, right) = session(shard, a, b, clock);
        if left.ending == Ending::Finished && right.ending == Ending::Finished {
            return (left.report, right.report);
        }
        let retries = |outcome: &Outcome| matches!(&outcome.ending, Ending::Failed { retry: true, .. });
        assert!(retries(&left) || retries(&right), "{:?} {:?}", left.ending, right.ending);
    }
    panic!("no end to restarts");
}

/// One session, of which the first node has a former build: one that keeps no list of held rows.
pub fn sync_with_former_build(
    shard: &ShardId,
    (a, a_number): (&VectrDB, u8),
    (b, b_number): (&VectrDB, u8),
    clock: Timestamp,
) {
    let mut a = Side::new(a, shard, super::peer(b_number), clock);
    a.is_former = true;
    let (left, right) = run(a, Side::new(b, shard, super::peer(a_number), clock));
    assert_eq!((left.ending, right.ending), (Ending::Finished, Ending::Finished));
}

struct Side<'d> {
    db: &'d VectrDB,
    shard: ShardId,
    session: Session,
    frames: FrameDecoder,
    messages: MessageDecoder,
    is_former: bool,
}

impl<'d> Side<'d> {
    fn new(db: &'d VectrDB, shard: &ShardId, peer: Fingerprint, clock: Timestamp) -> Self {
        static NONCE: AtomicU64 = AtomicU64::new(1);
        let offer = HelloOffer {
            nonce: NONCE.fetch_add(1, Ordering::Relaxed),
            codecs: vec![0],
            live: false,
            node: NodeName::new("unnamed").unwrap(),
            clock,
            window: 16,
        };
        let page = PageSize { bytes: 64 * 1024, rows: 500 };
        let session =
            Session::new(SessionConfig { peer, shard: shard.clone(), offer, page, keeps_cursor: true });
        let (frames, messages) = (FrameDecoder::default(), MessageDecoder::default());
        Self { db, shard: shard.clone(), session, frames, messages, is_former: false }
    }

    /// Carries out what the session asks for. Whether there was anything.
    fn step(&mut self, other: &mut Side<'_>) -> bool {
        let mut moved = false;
        while let Some(request) = self.session.poll_store() {
            moved = true;
            let mut reply = serve_blocking(self.db, &self.shard, request);
            if let StoreReply::Hello { hello, .. } = &mut reply
                && self.is_former
            {
                hello.codecs.retain(|ability| *ability != Hello::LISTS);
            }
            self.session.handle_store(reply);
        }
        while let Some(message) = self.session.poll_transmit() {
            moved = true;
            for frame in message.encode(&Uncompressed).unwrap() {
                other.receive(&frame);
            }
        }
        moved
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.frames.receive(bytes);
        while let Some(frame) = self.frames.poll_frame().unwrap() {
            if let Some(message) = self.messages.receive(frame, &[&Uncompressed]).unwrap() {
                self.session.receive(message);
            }
        }
    }

    fn outcome(self) -> Outcome {
        let ending = self.session.ending().cloned().expect("the session came to an end");
        Outcome { report: self.session.report().clone(), ending }
    }
}
