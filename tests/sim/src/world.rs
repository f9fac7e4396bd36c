use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use bytes::Bytes;
use vectr_delta::{
    ChangelogId, CommitNo, Fingerprint, NodeName, Origin, ShardId, SiteId, StoreReply, StoreRequest, Strategy,
};

use crate::Fault;
use crate::climate::Climate;
use crate::database::Database;
use crate::disk::DiskTrust;
use crate::link::Link;
use crate::node::{EPOCH, Moment, Node, Place, SECOND};
use crate::oracle::Oracle;
use crate::random::Random;
use crate::store::Store;
use crate::strike::{Strike, Struck};
use crate::twins::Twins;

/// Nodes, streams and virtual time. The seed determines everything that happens.
pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) random: Random,
    pub(crate) climate: Climate,
    pub(crate) fault: Option<Fault>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
    pub(crate) shards: Vec<ShardId>,
    pub(crate) oracle: Oracle,
    pub(crate) struck: Struck,
    pub(crate) twins: Twins,
    /// How many acknowledged writes of copies of one life were lost in the end.
    pub(crate) lost_by_twins: u64,
    /// Whether frames, streams and transactions fail.
    pub(crate) faulty: bool,
    /// How often a session noticed a fork.
    pub(crate) forks: u64,
    /// Whether claims are checked while the nodes run.
    pub(crate) checks: bool,
    pub(crate) acts_left: u64,
    pub(crate) violation: Option<String>,
    trace: bool,
    queue: BinaryHeap<Reverse<Entry>>,
    order: u64,
    handled: u64,
}

/// A future event.
#[derive(Debug)]
pub(crate) enum Event {
    /// The next thing that the schedule draws.
    Act,
    /// Local writes of a node.
    Write { node: usize, life: u64, writes: u64 },
    /// Bytes reach this end of a stream.
    Deliver { to: Place, bytes: Bytes },
    /// The end of the stream reaches this end.
    Close { to: Place, reason: &'static str },
    /// The storage handles a request.
    Carry { from: Place, request: StoreRequest },
    /// A session gets a reply.
    Reply { to: Place, reply: StoreReply },
    /// A barrier completes.
    Barrier { node: usize, life: u64, commit_no: CommitNo },
    /// A process starts.
    Boot { node: usize },
    /// A session is checked for being stuck.
    Watch { link: usize },
}

struct Entry {
    at: Moment,
    order: u64,
    event: Event,
}

impl World {
    pub(crate) fn new(seed: u64, fault: Option<Fault>, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let climate = Climate::of_seed(&mut random);
        Self::with_climate(random, climate, fault, trace)
    }

    pub(crate) fn with_climate(random: Random, climate: Climate, fault: Option<Fault>, trace: bool) -> Self {
        let name = |number| ShardId::new(&format!("shard-{number}")).expect("a short name is lawful");
        let mut world = Self {
            now: 0,
            random,
            fault,
            nodes: Vec::new(),
            links: Vec::new(),
            shards: (0..climate.shards).map(name).collect(),
            oracle: Oracle::new(climate.tampers),
            struck: Struck::default(),
            twins: Twins::default(),
            lost_by_twins: 0,
            faulty: climate.acts > 0,
            forks: 0,
            checks: true,
            acts_left: climate.acts,
            violation: None,
            trace,
            queue: BinaryHeap::new(),
            order: 0,
            handled: 0,
            climate,
        };
        for _ in 0..world.climate.nodes {
            world.add_node();
        }
        world
    }

    /// A node with an empty database.
    pub(crate) fn add_node(&mut self) -> usize {
        let number = self.nodes.len();
        let name = NodeName::new(&format!("node-{number}")).expect("a short name is lawful");
        let origin =
            Origin { site: self.new_site(), changelog: self.new_changelog(), node: Some(name.clone()) };
        let mut database = Database::new(origin, &self.shards);
        let strategy = Strategy::ALL[self.random.index(4)];
        database.shards.iter_mut().for_each(|shard| shard.state.strategy = strategy);
        let node = Node {
            name,
            fingerprint: Fingerprint::new([number as u8 + 1; 32]),
            strategy,
            store: Store::new(database),
            skew: self.new_skew(),
            life: 0,
            up: true,
            barrier: None,
            durable_waiters: Vec::new(),
            commit_waiters: Vec::new(),
            feeds: BTreeMap::new(),
            backups: Default::default(),
            synced: 0,
            trust: DiskTrust::Sound,
            hellos: Default::default(),
            owed: 0,
            counted: BTreeMap::new(),
        };
        self.nodes.push(node);
        number
    }

    pub(crate) const fn new_site(&mut self) -> SiteId {
        SiteId::new(self.random.number())
    }

    pub(crate) const fn new_changelog(&mut self) -> ChangelogId {
        ChangelogId::new(self.random.number())
    }

    pub(crate) fn schedule(&mut self, delay: Moment, event: Event) {
        self.schedule_at(self.now + delay, event);
    }

    pub(crate) fn schedule_at(&mut self, at: Moment, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Entry { at, order: self.order, event }));
    }

    /// Runs all events due within `span`. Stops at a violation.
    pub(crate) fn run_for(&mut self, span: Moment) {
        let until = self.now + span;
        while self.violation.is_none() && self.queue.peek().is_some_and(|Reverse(entry)| entry.at <= until) {
            let Some(Reverse(entry)) = self.queue.pop() else { break };
            self.now = entry.at;
            self.handled += 1;
            if self.handled > MAX_EVENTS {
                self.violate("the nodes never come to rest");
            }
            self.handle(entry.event);
        }
        self.now = self.now.max(until);
    }

    /// Lets time pass in which nothing is due.
    pub(crate) const fn skip(&mut self, span: Moment) {
        self.now += span;
    }

    /// Whether any events are due besides checks of idle sessions.
    pub(crate) fn is_quiet(&self) -> bool {
        self.queue.iter().all(|Reverse(entry)| matches!(entry.event, Event::Watch { .. }))
    }

    /// Records the first violation.
    pub(crate) fn violate(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(|| format!("VIOLATION {what}"));
        let at = self.now;
        self.violation.get_or_insert_with(|| format!("at {at} us: {what}"));
    }

    /// Prints an event when a seed is replayed with a trace.
    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>12} {}", self.now, what());
        }
    }

    /// How long storage or the network takes.
    pub(crate) fn new_delay(&mut self) -> Moment {
        if self.random.one_in(self.climate.slow) {
            self.random.between(100_000, 4 * SECOND)
        } else {
            self.random.between(200, 40_000)
        }
    }

    /// How far a clock is off: up to 25 s, or up to an hour; or it is 90 s behind, or shows 1970.
    pub(crate) fn new_skew(&mut self) -> i64 {
        let limit = match (self.climate.wild_clocks && self.faulty, self.random.below(6)) {
            (false, _) => 25,
            (true, 0 | 1) => 120,
            (true, 2) => {
                self.struck.count(Strike::ClockBehind);
                let behind = if self.random.one_in(2) { 90 * SECOND } else { EPOCH + self.now };
                return -(behind as i64);
            }
            (true, _) => 3_600,
        };
        let skew = self.random.between(0, 2 * limit * SECOND) as i64 - (limit * SECOND) as i64;
        if skew.unsigned_abs() > 60 * SECOND {
            self.struck.count(Strike::ClockSkewed);
        }
        skew
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Act => self.act(),
            Event::Write { node, life, writes } => self.write(node, life, writes),
            Event::Deliver { to, bytes } => self.deliver(to, &bytes),
            Event::Close { to, reason } => self.disconnect(to, reason),
            Event::Carry { from, request } => self.carry(from, request),
            Event::Reply { to, reply } => self.reply(to, reply),
            Event::Barrier { node, life, commit_no } => self.finish_barrier(node, life, commit_no),
            Event::Boot { node } => self.nodes[node].up = true,
            Event::Watch { link } => self.watch(link),
        }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

const MAX_EVENTS: u64 = 2_000_000;
