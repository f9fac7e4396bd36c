//! The test vectors of `docs/protocol.md` are what this build writes, and it reads them back.

use std::collections::BTreeMap;
use std::fmt::Write;

use bytes::Bytes;
use vectr_delta::{
    Batch, ChangelogId, ConflictId, Cursor, Descriptor, Digest, Dimensions, Dot, ElementType, End,
    FrameDecoder, Held, HeldAnswer, HeldMessage, Hello, IdRange, Message, MessageDecoder, Metadata, NodeName,
    Open, Payload, RangeDigest, RangeRows, Reject, RepairMessage, Row, ShardId, ShardSummary, Sibling, Since,
    SiteId, Strategy, Timestamp, Uncompressed, UnsentRow, VectorId, VectorRow, VersionVector,
};

#[test]
fn every_documented_frame_is_what_is_written_and_reads_back() {
    let documented = documented_vectors();
    for (name, message) in messages() {
        let frames = message.encode(&Uncompressed).unwrap();
        let [frame] = frames.as_slice() else { panic!("{name} has {} frames", frames.len()) };
        let written = hex(frame);
        assert_eq!(
            documented.get(name),
            Some(&written),
            "the document says otherwise; this build writes {name}"
        );
        let mut decoder = FrameDecoder::default();
        decoder.receive(frame);
        let frame = decoder.poll_frame().unwrap().unwrap();
        assert_eq!(
            MessageDecoder::default().receive(frame, &[&Uncompressed]).unwrap(),
            Some(message),
            "{name}"
        );
    }
}

#[test]
fn every_documented_number_that_decides_is_what_is_computed() {
    let documented = documented_vectors();
    let (shard, id) = (shard(), vector());
    let mut digest = Digest::default();
    digest.add(&shard, &id, &conflict());
    let tombstone = Row::of_write(Sibling::tombstone(dot(1, 2), at(3)), VersionVector::new());
    let mut of_tombstone = Digest::default();
    of_tombstone.add(&shard, &id, &tombstone);
    let computed = [
        ("payload hash", alice().hash().to_le_bytes().to_vec()),
        ("digest", digest.to_bytes().to_vec()),
        ("digest of a tombstone", of_tombstone.to_bytes().to_vec()),
        ("conflict id", ConflictId::of(&shard, &id, &conflict()).unwrap().to_be_bytes().to_vec()),
        ("merged vector", Strategy::Merge.view(&conflict()).unwrap().vector.to_vec()),
    ];
    for (name, bytes) in computed {
        assert_eq!(documented.get(name), Some(&hex(&bytes)), "the document says otherwise of {name}");
    }
}

#[test]
fn every_documented_vector_is_checked() {
    let checked = messages().len() + 5;
    assert_eq!(documented_vectors().len(), checked);
}

/// What the document shows, by name: blocks of hexadecimal digits.
fn documented_vectors() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md")).unwrap();
    let blocks = text.split("```hex ").skip(1);
    let block = |block: &str| {
        let (name, rest) = block.split_once('\n').unwrap();
        let (digits, _) = rest.split_once("```").unwrap();
        (name.trim().to_owned(), digits.split_whitespace().collect())
    };
    blocks.map(block).collect()
}

fn messages() -> Vec<(&'static str, Message)> {
    vec![
        ("open", Message::Open(Open { shard: shard(), codecs: vec![] })),
        ("open of a node that assembles messages", Message::Open(Open::of_this_build(shard()))),
        ("hello", Message::Hello(Box::new(hello()))),
        ("batch", Message::Batch(batch())),
        ("end", Message::End(Box::new(end()))),
        ("ack", Message::Ack(3)),
        ("durable", Message::Durable(version_vector().into())),
        ("since", Message::Since(since())),
        ("tell all", Message::TellAll),
        ("done", Message::Done),
        ("held", Message::Held(held())),
        ("reject", Message::Reject(reject())),
        ("ask", held_rows(HeldMessage::Ask(vec![vector()]))),
        ("answer", held_rows(HeldMessage::Answer(answer()))),
        ("unsent", held_rows(HeldMessage::Unsent(vec![unsent()]))),
        ("repair wanted", repair(RepairMessage::Wanted)),
        ("range digests", repair(RepairMessage::Digests(range_digests()))),
        ("range counts", repair(RepairMessage::Counts(vec![None, Some(1)]))),
        ("range rows", repair(RepairMessage::Rows(RangeRows { range: first_range(), rows: range_rows() }))),
        ("repair state", repair(RepairMessage::State(summary()))),
    ]
}

fn held_rows(message: HeldMessage) -> Message {
    Message::HeldRows(Box::new(message))
}

fn answer() -> HeldAnswer {
    HeldAnswer { answered: 1, absent: vec![], rows: range_rows() }
}

fn unsent() -> UnsentRow {
    UnsentRow { id: vector(), sites: vec![SiteId::new(1)] }
}

fn repair(message: RepairMessage) -> Message {
    Message::Repair(Box::new(message))
}

fn first_range() -> IdRange {
    IdRange { after: None, to: Some(vector()) }
}

/// All ids in two ranges, the second of which holds nothing.
fn range_digests() -> Vec<RangeDigest> {
    let mut digest = Digest::default();
    digest.add(&shard(), &vector(), &conflict());
    let rest = IdRange { after: Some(vector()), to: None };
    vec![RangeDigest { range: first_range(), digest }, RangeDigest { range: rest, digest: Digest::default() }]
}

fn range_rows() -> Batch {
    Batch { index: 0, position: 0, ..batch() }
}

fn summary() -> ShardSummary {
    ShardSummary { version_vector: version_vector().into(), digest: Digest::default(), tight: true }
}

fn hello() -> Hello {
    Hello {
        nonce: 42,
        protocol: (1, 1),
        codecs: vec![0],
        shard: shard(),
        live: false,
        node: NodeName::new("alice").unwrap(),
        site: SiteId::new(1),
        changelog: ChangelogId::new(7),
        descriptor: Descriptor {
            dimensions: Some(Dimensions::try_from(2).unwrap()),
            element: ElementType::F32,
            ..Descriptor::default()
        },
        strategy: Strategy::LastWriteWins,
        version_vector: version_vector().into(),
        frontier: VersionVector::new(),
        cursor: Some(Cursor { changelog: ChangelogId::new(9), position: 5 }),
        digest: Digest::default(),
        tight: true,
        clock: at(1_700_000_000_000_000),
        window: 64,
    }
}

fn since() -> Since {
    let news = [(SiteId::new(3), 2)].into_iter().collect();
    Since { session: 0, message: Box::new(Message::Durable(news)) }
}

fn batch() -> Batch {
    Batch {
        nonce: 42,
        index: 0,
        position: 2,
        frontier: VersionVector::new(),
        names: [(SiteId::new(1), "alice"), (SiteId::new(2), "bob")]
            .map(|(site, name)| (site, NodeName::new(name).unwrap()))
            .into(),
        rows: vec![VectorRow { id: vector(), row: conflict() }],
    }
}

fn end() -> End {
    End {
        nonce: 42,
        index: 1,
        position: 2,
        version_vector: version_vector().into(),
        frontier: VersionVector::new(),
        digest: Digest::default(),
        tight: true,
        names: BTreeMap::from([(SiteId::new(1), NodeName::new("alice").unwrap())]),
    }
}

fn held() -> Held {
    Held { code: "ERR_CLOCK_SKEW".into(), rows: 1, shown: vec![vector()], newest: at(9), clock: at(3) }
}

fn reject() -> Reject {
    Reject { code: "ERR_CHECKSUM".into(), reason: "damaged".into(), retry: true }
}

/// Two versions of one vector, neither of whose writers had seen the other.
fn conflict() -> Row {
    let of = |site, micros, payload| {
        Row::of_write(Sibling::put(dot(site, 1), at(micros), false, payload), VersionVector::new())
    };
    let bob = Payload::new(Bytes::copy_from_slice(&components([3.0, 1.0])), None).unwrap();
    of(1, 1_000_000, alice()).join(&of(2, 2_000_000, bob))
}

fn alice() -> Payload {
    let metadata = Metadata::new(r#"{"text":"hello"}"#).unwrap();
    Payload::new(Bytes::copy_from_slice(&components([1.0, -0.5])), Some(metadata)).unwrap()
}

fn components(numbers: [f32; 2]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn version_vector() -> VersionVector {
    [(SiteId::new(1), 1), (SiteId::new(2), 1)].into_iter().collect()
}

fn dot(site: u64, seq: u64) -> Dot {
    Dot { site: SiteId::new(site), seq }
}

fn at(micros: u64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn shard() -> ShardId {
    ShardId::new("notes").unwrap()
}

fn vector() -> VectorId {
    VectorId::new("greeting").unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
