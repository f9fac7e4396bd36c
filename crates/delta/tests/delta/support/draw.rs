//! Values drawn from a seed, so that a case of a property test is one number.

use std::collections::BTreeMap;

use vectr_delta::{
    Batch, ChangelogId, Cursor, Descriptor, Digest, Dot, End, Held, HeldAnswer, HeldMessage, Hello, IdRange,
    Message, Metadata, NodeName, Open, Payload, RangeDigest, RangeRows, Reject, RepairMessage, Row, ShardId,
    ShardSummary, Sibling, Since, SiteId, Strategy, Timestamp, UnsentRow, VectorId, VectorRow, VersionVector,
};

/// `SplitMix64` (Steele, Lea and Flood, 2014).
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    pub(crate) const fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    pub(crate) const fn coin(&mut self) -> bool {
        self.number() & 1 == 1
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.index(last + 1));
        }
    }

    /// Mostly small numbers, so that values collide; sometimes any number up to JavaScript's limit.
    fn safe(&mut self) -> u64 {
        if self.below(8) == 0 { self.number() >> 11 } else { self.below(300) }
    }

    pub(crate) fn site(&mut self) -> SiteId {
        let near = self.below(6) + 1;
        SiteId::new(if self.below(4) == 0 { u64::MAX - near } else { near })
    }

    pub(crate) fn dot(&mut self) -> Dot {
        Dot { site: self.site(), seq: self.below(12) + 1 }
    }

    pub(crate) fn stamp(&mut self) -> Timestamp {
        Timestamp::from_micros(self.safe())
    }

    pub(crate) fn vector(&mut self) -> VersionVector {
        let entries = self.below(6);
        (0..entries).map(|_| self.dot()).map(|dot| (dot.site, dot.seq)).collect()
    }

    pub(crate) fn payload(&mut self, dimensions: usize) -> Payload {
        let components: Vec<f32> = (0..dimensions).map(|_| self.component()).collect();
        let metadata = match self.below(3) {
            0 => Some(self.metadata()),
            _ => None,
        };
        Payload::from_components(&components, metadata).unwrap()
    }

    /// Zeros of both signs, subnormal, greatest and ordinary numbers.
    fn component(&mut self) -> f32 {
        match self.below(8) {
            0 => [0.0, -0.0, f32::MIN_POSITIVE / 4.0, f32::MAX, f32::MIN][self.index(5)],
            _ => (self.number() >> 40) as f32 / 4_096.0 - 2_000.0,
        }
    }

    pub(crate) fn metadata(&mut self) -> Metadata {
        let text = [
            "{}".to_owned(),
            format!(r#"{{"a":{}.50,"b":[null,true]}}"#, self.below(9)),
            format!(r#"{{"b":"{}","é":{{"x":1e3}}}}"#, self.below(9)),
        ];
        Metadata::new(&text[self.index(3)]).unwrap()
    }

    pub(crate) fn sibling(&mut self, dot: Dot, dimensions: usize) -> Sibling {
        let stamp = self.stamp();
        match self.below(4) {
            0 => Sibling::tombstone(dot, stamp),
            kind => Sibling::put(dot, stamp, kind == 1, self.payload(dimensions)),
        }
    }

    /// A row with arbitrary siblings and context, which need not result from any history.
    pub(crate) fn any_row(&mut self, most: u64) -> Row {
        let count = self.below(most) + 1;
        let dimensions = self.index(4) + 1;
        let siblings = (0..count).map(|_| {
            let dot = self.dot();
            self.sibling(dot, dimensions)
        });
        let siblings = siblings.collect();
        Row::new(siblings, self.vector()).unwrap()
    }

    pub(crate) fn text(&mut self, most: usize) -> String {
        let letters: Vec<char> = "abcxyz -_é漢🦀\u{80}".chars().collect();
        let mut text: String = "v".into();
        for _ in 0..self.index(most) {
            text.push(letters[self.index(letters.len())]);
        }
        text
    }

    pub(crate) fn names(&mut self) -> BTreeMap<SiteId, NodeName> {
        let count = self.below(4);
        (0..count).map(|_| (self.site(), NodeName::new(&self.text(9)).unwrap())).collect()
    }

    /// A batch of up to `rows` rows. Only sites that the rows mention have names, as no others are sent.
    pub(crate) fn batch(&mut self, rows: u64, dimensions: usize) -> Batch {
        let count = self.below(rows + 1);
        let alike = self.coin();
        let mut entries = Vec::new();
        for number in 0..count {
            let siblings = if self.coin() { 1 } else { self.below(5) + 1 };
            let length = if alike { dimensions } else { self.index(dimensions) + 1 };
            let versions = (0..siblings).map(|_| {
                let dot = self.dot();
                self.sibling(dot, length)
            });
            let row = Row::new(versions.collect(), self.vector()).unwrap();
            let id = VectorId::new(&format!("{}{number}", self.text(7))).unwrap();
            entries.push(VectorRow { id, row });
        }
        let mut names = self.names();
        names.retain(|site, _| entries.iter().any(|entry| entry.row.context().seq(*site) > 0));
        Batch {
            nonce: self.number(),
            index: self.safe(),
            position: self.safe(),
            frontier: self.vector(),
            names,
            rows: entries,
        }
    }

    pub(crate) fn digest(&mut self) -> Digest {
        let bytes: Vec<u8> = (0..40).map(|_| self.number() as u8).collect();
        Digest::from_bytes(&bytes).unwrap()
    }

    pub(crate) fn hello(&mut self) -> Hello {
        Hello {
            nonce: self.number(),
            protocol: (self.number() as u16, self.number() as u16),
            codecs: self.codecs(),
            shard: ShardId::new(&self.text(20)).unwrap(),
            live: self.coin(),
            node: NodeName::new(&self.text(20)).unwrap(),
            site: self.site(),
            changelog: ChangelogId::new(self.number()),
            descriptor: self.descriptor(),
            strategy: Strategy::ALL[self.index(4)],
            version_vector: self.vector().into(),
            frontier: self.vector(),
            cursor: self
                .coin()
                .then(|| Cursor { changelog: ChangelogId::new(self.number()), position: self.safe() }),
            digest: self.digest(),
            tight: self.coin(),
            clock: self.stamp(),
            window: self.number() as u16,
        }
    }

    fn codecs(&mut self) -> Vec<u8> {
        (0..self.below(5)).map(|_| self.number() as u8).collect()
    }

    fn descriptor(&mut self) -> Descriptor {
        Descriptor {
            dimensions: self.coin().then(|| (self.below(65_536) as u32 + 1).try_into().unwrap()),
            epoch: self.safe(),
            owner: self.coin().then(|| self.site()),
            members: (0..self.below(4)).map(|_| self.site()).collect(),
            ..Descriptor::default()
        }
    }

    fn range(&mut self) -> IdRange {
        let mut id = || self.coin().then(|| VectorId::new(&self.text(9)).unwrap());
        IdRange { after: id(), to: id() }
    }

    fn repair(&mut self) -> RepairMessage {
        let count = self.below(9);
        match self.below(5) {
            0 => RepairMessage::Wanted,
            1 => {
                let part = |draw: &mut Self| RangeDigest { range: draw.range(), digest: draw.digest() };
                RepairMessage::Digests((0..count).map(|_| part(self)).collect())
            }
            2 => RepairMessage::Counts((0..count).map(|_| self.coin().then(|| self.safe())).collect()),
            3 => RepairMessage::Rows(RangeRows { range: self.range(), rows: self.batch(4, 6) }),
            _ => RepairMessage::State(ShardSummary {
                version_vector: self.vector().into(),
                digest: self.digest(),
                tight: self.coin(),
            }),
        }
    }

    fn held_rows(&mut self) -> HeldMessage {
        let count = self.below(5);
        let ids = |draw: &mut Self| -> Vec<VectorId> {
            (0..count).map(|_| VectorId::new(&draw.text(9)).unwrap()).collect()
        };
        match self.below(3) {
            0 => HeldMessage::Ask(ids(self)),
            1 => {
                let (answered, absent) = (self.safe(), ids(self));
                HeldMessage::Answer(HeldAnswer { answered, absent, rows: self.batch(4, 6) })
            }
            _ => HeldMessage::Unsent(
                ids(self)
                    .into_iter()
                    .map(|id| UnsentRow { id, sites: (0..count).map(|_| self.site()).collect() })
                    .collect(),
            ),
        }
    }

    /// Any message; a batch almost every second time.
    pub(crate) fn message(&mut self) -> Message {
        match self.below(20) {
            0 => Message::Hello(Box::new(self.hello())),
            1 => Message::End(Box::new(End {
                nonce: self.number(),
                index: self.safe(),
                position: self.safe(),
                version_vector: self.vector().into(),
                frontier: self.vector(),
                digest: self.digest(),
                tight: self.coin(),
                names: self.names(),
            })),
            2 => Message::Ack(self.safe()),
            3 => Message::Durable(self.vector().into()),
            4 => Message::Done,
            5 => Message::Held(Held {
                code: "ERR_CLOCK_SKEW".into(),
                rows: self.safe(),
                shown: (0..self.below(9)).map(|_| VectorId::new(&self.text(9)).unwrap()).collect(),
                newest: self.stamp(),
                clock: self.stamp(),
            }),
            6 => Message::Reject(Reject {
                code: "ERR_RESTART".into(),
                reason: self.text(300),
                retry: self.coin(),
            }),
            8 => Message::Since(Since {
                session: self.number(),
                message: Box::new(match self.below(2) {
                    0 => Message::Hello(Box::new(self.hello())),
                    _ => Message::Durable(self.vector().into()),
                }),
            }),
            9 => Message::TellAll,
            7 => Message::Open(Open { shard: ShardId::new(&self.text(9)).unwrap(), codecs: self.codecs() }),
            10 => Message::Repair(Box::new(self.repair())),
            11 => Message::HeldRows(Box::new(self.held_rows())),
            _ => Message::Batch(self.batch(6, 12)),
        }
    }
}
