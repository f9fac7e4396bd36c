use std::collections::BTreeMap;

use bytes::Bytes;
use vectr_delta::{
    Fingerprint, Frame, FrameDecoder, KnownHellos, Message, Session, ShardWrite, Since, write_local,
};

use crate::database::StoreError;
use crate::fault::Fault;
use crate::node::Place;
use crate::strike::Strike;
use crate::transaction::Transaction;
use crate::world::World;

/// The last Hellos that a process has exchanged with each peer about each shard. They end with the process, or come back
/// with a snapshot of its memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct HelloMemory(BTreeMap<(usize, Fingerprint), Remembered>);

#[derive(Clone, Debug)]
struct Remembered {
    known: KnownHellos,
    /// The number of the session, for [`Fault::SinceOfAnySession`].
    session: u64,
}

impl World {
    /// Tells a session what the node remembers of the last one with this peer.
    pub(crate) fn remind(&self, node: usize, shard: usize, session: Session) -> (Session, Option<u64>) {
        let remembered = self.nodes[node].hellos.0.get(&(shard, session.peer_fingerprint()));
        let believed = remembered.filter(|_| self.fault == Some(Fault::SinceOfAnySession));
        let believed = believed.map(|remembered| remembered.session);
        (session.knowing(remembered.map(|remembered| remembered.known.clone())), believed)
    }

    /// Remembers the Hellos of a session once the handshake is complete, or that there were none. Some are forgotten, and
    /// sometimes those of an earlier session stay.
    pub(crate) fn note_hellos(&mut self, place: Place) {
        let link = &mut self.links[place.link];
        let shard = link.shard;
        let end = &mut link.ends[place.side];
        if end.greeted || !end.session.is_established() && end.session.ending().is_none() {
            return;
        }
        end.greeted = true;
        let key = (shard, end.session.peer_fingerprint());
        let number = end.session.peer().map(|hello| hello.nonce ^ end.nonce);
        let remembered = end.session.known_hellos().zip(number);
        let node = end.node;
        let Some((known, session)) = remembered else {
            self.nodes[node].hellos.0.remove(&key);
            return;
        };
        let luck = if self.faulty { self.random.below(6) } else { 6 };
        let memory = &mut self.nodes[node].hellos.0;
        match luck {
            0 => {
                memory.remove(&key);
                self.struck.count(Strike::HelloForgotten);
            }
            1..4 if memory.contains_key(&key) => self.struck.count(Strike::HelloStale),
            _ => drop(memory.insert(key, Remembered { known, session })),
        }
    }

    /// Opens the node's file so often, and writes once in each life.
    pub(crate) fn open_often(&mut self, node: usize, openings: u64) {
        self.stop(node);
        let lives: Vec<_> = (0..openings)
            .map(|_| {
                let shard = self.random.index(self.shards.len());
                let (id, write) = self.new_write(node, shard);
                (self.new_site(), self.new_changelog(), shard, id, write)
            })
            .collect();
        let wall = self.nodes[node].wall(self.now);
        self.note(|| format!("node {node} takes {openings} sites"));
        let live = |all: &mut Transaction| {
            for (site, changelog, shard, id, write) in lives {
                all.take_site(site, Some(changelog));
                all.shard = shard;
                let old = all.row(&id)?;
                write_local(all, &id, old.as_ref(), write, wall)?;
            }
            all.database.own_commit = all.database.commit_no + 1;
            Ok::<(), StoreError>(())
        };
        let lived = self.nodes[node].store.transact(0, None, live);
        self.after_commit(node, true, &lived.expect("a disk without a fuse does not fail"));
        self.struck.add(Strike::SiteTaken, openings);
        self.nodes[node].up = true;
    }

    /// The frames of a message, cut into pieces where the climate has small ones.
    pub(crate) fn frames_of(&mut self, message: &Message, frames: Vec<Bytes>) -> Vec<Bytes> {
        match message {
            Message::Since(_) => self.struck.count(Strike::ToldBySince),
            Message::TellAll => self.struck.count(Strike::AskedForWhole),
            _ => {}
        }
        let spans =
            matches!(message, Message::Hello(_) | Message::End(_) | Message::Durable(_) | Message::Since(_));
        let piece = self.climate.piece;
        if piece == 0 || !spans || frames.iter().all(|frame| frame.len() <= piece) {
            return frames;
        }
        self.struck.count(Strike::Spanning);
        frames.iter().flat_map(|frame| pieces(frame, piece)).collect()
    }
}

/// [`Fault::SinceOfAnySession`]: whichever session a Hello builds upon, it is taken to be this one.
pub(crate) fn believe(session: u64, message: Message) -> Message {
    match message {
        Message::Since(since) if since.message.hello().is_some() => {
            Message::Since(Since { session, message: since.message })
        }
        other => other,
    }
}

fn pieces(frame: &Bytes, size: usize) -> Vec<Bytes> {
    let mut decoder = FrameDecoder::default();
    decoder.receive(frame);
    let whole = decoder.poll_frame().ok().flatten().expect("a frame that was just sealed");
    let chunks: Vec<&[u8]> = whole.body.chunks(size).collect();
    let last = chunks.len() - 1;
    let seal = |(index, chunk): (usize, &&[u8])| {
        let more = index < last || whole.more;
        Frame::piece(whole.kind, [&[0; Frame::HEAD], *chunk].concat(), more)
    };
    chunks.iter().enumerate().map(seal).collect()
}
