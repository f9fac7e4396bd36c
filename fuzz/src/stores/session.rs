use std::cell::RefCell;

use vectr_core::replication::serve_blocking;
use vectr_core::{Target, VectrDB};
use vectr_delta::{
    Fingerprint, Frame, Hello, HelloOffer, Message, MessageDecoder, NodeName, PageSize, Payload, Session,
    SessionConfig, ShardId, Since, StoreReply, StoreRequest, Strategy, Uncompressed, VectorId,
};

use super::reused::{Reused, assert_sound, rows};
use crate::bounds::apart;
use crate::decoders::message::CODECS;
use crate::input::{Input, Piece};

/// A peer that sends anything, against a real session over a real store.
///
/// Whatever it sends, the session comes to an end, refused transactions leave nothing, and the store is sound. In the
/// input: `u8 rows and strategy of the node | u8 what its session offers | pieces`. A piece of kind 255 ends the stream:
/// what follows is the peer's next session.
pub fn run(data: &[u8]) {
    STORE.with_borrow_mut(|store| {
        let reused = store.get_or_insert_with(|| apart(|| Reused::open(1)));
        let shard = reused.serve(data);
        let (db, site) = (&reused.nodes[0], reused.nodes[0].site());
        let mut input = Input(data);
        fill(db, &shard, input.byte());
        let offer = input.byte();
        let mut nonce = NONCE;
        while nonce < NONCE + SESSIONS && (nonce == NONCE || !input.is_empty()) {
            Node::new(db, &shard, nonce, offer, reused.wall.now()).talk(&mut input);
            nonce += 1;
        }
        assert_sound(db, &shard);
        if reused.is_worn(db.site() != site) {
            reused.verify();
            *store = None;
        }
    });
}

/// Rows of the node: up to six of two dimensions, the first of them deleted again.
pub(crate) fn fill(db: &VectrDB, shard: &ShardId, header: u8) {
    let count = header & 7;
    let payload = |number: u8| Payload::from_components(&[f32::from(number), 1.0], None).expect("finite");
    let rows: Vec<_> = (0..count.min(6)).map(|number| (Some(id(number)), payload(number))).collect();
    let target = Target::shard(shard);
    if !rows.is_empty() {
        db.insert_batch(target, rows).expect("the shard is empty");
    }
    if count == 7 {
        db.delete(target, &id(0)).expect("it is there");
    }
    let strategy = Strategy::ALL[usize::from(header >> 3 & 3)];
    if header >> 5 & 1 == 1 {
        db.set_strategy(shard, strategy).expect("any strategy will do");
    }
}

fn id(number: u8) -> VectorId {
    VectorId::new(&format!("v{number}")).expect("a short name")
}

/// The node's side of one session.
struct Node<'d> {
    db: &'d VectrDB,
    shard: &'d ShardId,
    session: Session,
}

impl<'d> Node<'d> {
    fn new(
        db: &'d VectrDB,
        shard: &'d ShardId,
        nonce: u64,
        offer: u8,
        clock: vectr_delta::Timestamp,
    ) -> Self {
        let offer = HelloOffer {
            nonce,
            codecs: vec![0, 1],
            live: offer & 1 == 1,
            node: NodeName::new("node").expect("a short name"),
            clock,
            window: 4,
        };
        let page = PageSize { bytes: 256, rows: 4 };
        let peer = Fingerprint::new([7; 32]);
        let config = SessionConfig { peer, shard: shard.clone(), offer, page, keeps_cursor: true };
        let mut node = Self { db, shard, session: Session::new(config) };
        node.settle();
        node
    }

    fn talk(&mut self, input: &mut Input<'_>) {
        let mut messages = MessageDecoder::of_session();
        while let Some(Piece { kind, more, body }) = input.piece() {
            if kind == END_OF_STREAM {
                break;
            }
            let frame = Frame { kind, more, body: body.to_vec().into() };
            match messages.receive(frame, CODECS) {
                Ok(None) => {}
                Ok(Some(message)) => self.session.receive(self.about_this_shard(message)),
                // As the driver does.
                Err(error) => self.session.reject(error.code(), &error.to_string(), true),
            }
            self.settle();
        }
        self.session.handle_disconnect("the input has ended");
        self.settle();
        assert!(self.session.ending().is_some(), "a session without a stream goes on");
    }

    /// Each input has a shard of its own, whose name the input cannot know.
    fn about_this_shard(&self, message: Message) -> Message {
        match message {
            Message::Hello(hello) => Message::Hello(Box::new(Hello { shard: self.shard.clone(), ..*hello })),
            Message::Since(Since { session, message }) => {
                Message::Since(Since { session, message: Box::new(self.about_this_shard(*message)) })
            }
            other => other,
        }
    }

    /// Carries out what the session asks for, until it waits for the peer.
    fn settle(&mut self) {
        for _ in 0..STEPS {
            let request = self.session.poll_store();
            let message = self.session.poll_transmit();
            if let Some(message) = &message {
                message.encode(&Uncompressed).expect("a session sends what can be sent");
            }
            match request {
                // A commit that nobody makes.
                Some(StoreRequest::AwaitCommit(_)) => {}
                Some(request) => {
                    let reply = self.carry_out(request);
                    self.session.handle_store(reply);
                }
                None if message.is_none() => return,
                None => {}
            }
        }
        panic!("a message of the peer keeps the session busy for ever");
    }

    fn carry_out(&self, request: StoreRequest) -> StoreReply {
        let writes = matches!(
            request,
            StoreRequest::AcceptHello(_)
                | StoreRequest::Apply { .. }
                | StoreRequest::End { .. }
                | StoreRequest::JoinAnswer { .. }
                | StoreRequest::JoinRange { .. }
                | StoreRequest::FinishRepair { .. }
        );
        let before = writes.then(|| rows(self.db, self.shard));
        let reply = serve_blocking(self.db, self.shard, request);
        if let (StoreReply::Frontier | StoreReply::Forked | StoreReply::Failed { .. }, Some(before)) =
            (&reply, before)
        {
            assert_eq!(rows(self.db, self.shard), before, "a refused transaction left something: {reply:?}");
        }
        reply
    }
}

thread_local! {
    static STORE: RefCell<Option<Reused>> = const { RefCell::new(None) };
}

/// The nonce of the node's first Hello, which a peer's batches repeat.
pub(crate) const NONCE: u64 = 7;
pub(crate) const END_OF_STREAM: u8 = 255;
const SESSIONS: u64 = 3;
const STEPS: usize = 10_000;
