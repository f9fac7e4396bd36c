//! The first inputs of a target: what honest nodes send. The fuzzer finds the dishonest ones.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use vectr_delta::changes::{Compression, Flat, StoredChange, decode, encode, encode_rows};
use vectr_delta::{Frame, Lz4Columns, Message, ShardId, Timestamp, Uncompressed, VectorRow};
use vectr_transport::fuzzing::ReadMessage;
use vectr_transport::{Attachment, AttachmentKind, Message as AgentMessage};

use crate::decoders::flat;
use crate::input::Piece;
use crate::stores::pair::{Side, run};
use crate::stores::reused::Reused;
use crate::stores::session::{END_OF_STREAM, NONCE, fill};
use draw::Draw;

/// The values of the property tests.
#[path = "../../crates/delta/tests/delta/support/draw.rs"]
#[allow(dead_code, unreachable_pub, reason = "the property tests use all of it")]
mod draw;

/// Writes each input to a file of its own.
pub(crate) fn write(folder: &Path, seeds: &[Vec<u8>]) {
    fs::create_dir_all(folder).expect("a folder for seeds");
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:03}")), seed).expect("room for a seed");
    }
}

/// Of `frame`.
#[must_use]
pub fn frames() -> Vec<Vec<u8>> {
    let raw =
        drawn_messages().into_iter().map(|message| [&[0, 9][..], &frames_of(&message).concat()].concat());
    raw.chain(drawn_messages().iter().map(|message| pieces_of(&[1, 200], &frames_of(message)))).collect()
}

/// Of `message`.
#[must_use]
pub fn messages() -> Vec<Vec<u8>> {
    drawn_messages().iter().map(|message| pieces_of(&[0], &frames_of(message))).collect()
}

/// Of `batch`.
#[must_use]
pub fn batches() -> Vec<Vec<u8>> {
    let rows = (0..SEEDS).map(|seed| Message::Batch(Draw::new(seed).batch(24, 8)));
    let body = |message: &Message, codec| {
        let frames = message.encode(codec).unwrap_or_default();
        frames.first().filter(|_| frames.len() == 1).map(|frame| body_of(frame).to_vec())
    };
    let mut seeds = Vec::new();
    for message in rows {
        seeds.extend(body(&message, &Lz4Columns).map(|body| [vec![0], body].concat()));
        let Some(raw) = body(&message, &Uncompressed) else { continue };
        let (columns, vectors) = raw[9..].split_at(u32_at(&raw, 5).min(raw.len() - 9));
        for mode in [1, 2] {
            let length = (columns.len() as u16).to_le_bytes();
            seeds.push([&[mode][..], &length, columns, vectors].concat());
        }
    }
    seeds
}

/// Of `delta`.
#[must_use]
pub fn deltas() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (seed, delta) in (0_u8..).zip(database_deltas()) {
        let Ok(decoded) = decode(&delta) else { continue };
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
            let bytes = encode(decoded.borrowed(), compression, None);
            seeds.extend(bytes.map(|bytes| [vec![1 + 2 * (seed % 4)], bytes].concat()));
        }
    }
    seeds
}

/// Of `flat`.
#[must_use]
pub fn flats() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (mode, delta) in (0_u8..).zip(database_deltas()) {
        let Ok(decoded) = decode(&delta) else { continue };
        let mut numbers = decoded.numbers.clone();
        // Stamps of the present have no place in two bytes.
        numbers.iter_mut().filter(|number| **number > 60_000.0).for_each(|number| *number %= 60_000.0);
        let flat = Flat { numbers, text: decoded.text.clone(), vectors: decoded.vectors.to_vec() };
        let mut input = vec![(mode % 15) * 17];
        flat::write(&flat, &mut input);
        seeds.push(input);
    }
    for versions in [vec![1.0, 1.0, 3.0, 4.0], vec![2.0, 1.0, 1.0, 2.0, 3.0]] {
        let text = "a\nb\na".split('\n').take(versions.len() - 2).collect::<Vec<_>>().join("\n");
        let mut input = vec![0];
        flat::write(&Flat { numbers: versions, text, vectors: Vec::new() }, &mut input);
        seeds.push(input);
    }
    seeds
}

/// Of `records`.
#[must_use]
pub fn records() -> Vec<Vec<u8>> {
    let close = [&[0, 1, 0, 0, 0, 11][..], b"not trusted"].concat();
    let (arrived, stop) = ([1, 7, 0, 0, 0, 0], [2, 9, 0, 0, 0, 4, 1, 2, 3, 4]);
    vec![
        [&[3][..], &arrived, &stop, &close].concat(),
        [&[255][..], &stop, &arrived].concat(),
        vec![0, 9, 0, 0, 0, 0, 0],
    ]
}

/// Of `streams`.
#[must_use]
pub fn streams() -> Vec<Vec<u8>> {
    let attachment =
        |kind| Attachment { pointer: "/a".into(), kind, bytes: Bytes::from_static(&[1, 2, 3, 4]) };
    let messages = [
        AgentMessage::default(),
        AgentMessage {
            id: "7".into(),
            kind: "task".into(),
            stream: "stream".into(),
            payload: Some(r#"{"a":null}"#.into()),
            metadata: Some("{}".into()),
            attachments: vec![attachment(AttachmentKind::Bytes), attachment(AttachmentKind::Floats)],
        },
    ];
    let frames = |(number, message): (u64, &AgentMessage)| {
        ReadMessage { number, wants_answer: number == 1, message: message.clone() }.frames()
    };
    let sent: Vec<Bytes> = (0..).zip(&messages).flat_map(frames).collect();
    vec![pieces_of(&[], &sent), pieces_of(&[], &sent[..1]), pieces_of(&[], &sent[1..])]
}

/// Of `sql`.
#[must_use]
pub fn statements() -> Vec<Vec<u8>> {
    let statements = [
        "SELECT * FROM vectors",
        "SELECT id, length(vector) FROM vectors WHERE shard_id = 'shard' ORDER BY timestamp DESC LIMIT 3",
        "SELECT v.id, e.value FROM vectors v, json_each(v.metadata, '$.k') e",
        "WITH a AS (SELECT id FROM vectors), b AS (SELECT x.id FROM a x, a y) SELECT count(*) FROM b",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 9",
        "SELECT shard_id, max(change_id) OVER (PARTITION BY operation) FROM vector_changelog",
        "SELECT version_vector ->> '$.x' FROM shard_metadata UNION SELECT hex(randomblob(4))",
        "PRAGMA integrity_check",
        "PRAGMA table_info(vectors)",
        "SELECT * FROM main.row",
        "ATTACH 'x.db' AS x",
        "INSERT INTO vectors VALUES (1, 2, 3, 4, 5)",
        "EXPLAIN QUERY PLAN SELECT 1",
        "VALUES (1, 'a', x'00', 2.5e3, NULL)",
        "SELECT printf('%9d', 3), replace('a', 'a', 'bb'), substr('abc', 2), datetime(0, 'unixepoch')",
        "SELECT CASE WHEN 1 THEN 2 END, CAST('3' AS INTEGER), 'a' LIKE 'A', 1 IN (SELECT 1), EXISTS (SELECT 1)",
    ];
    statements.iter().map(|sql| sql.as_bytes().to_vec()).collect()
}

/// The frames that an honest peer sends in a session, for stores that hold what the target's stores hold.
#[must_use]
pub fn sessions() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for header in [0_u8, 3, 7, 0b11_1011] {
        for theirs in [0_u8, 2, 6] {
            let mut reused = Reused::open(2);
            let shard = reused.serve(&[]);
            fill(&reused.nodes[0], &shard, header);
            fill(&reused.nodes[1], &shard, theirs);
            let clock = reused.wall.now();
            let mut input = vec![header, 0];
            for (session, peers) in [(NONCE, 1), (NONCE + 1, 2)] {
                let mut node = Side::new((&reused.nodes[0], &shard), 7, clock, session);
                let mut peer = Side::new((&reused.nodes[1], &shard), 1, clock, peers);
                run(&mut node, &mut peer, usize::MAX);
                input.extend(pieces_of(&[], &peer.sent));
                Piece { kind: END_OF_STREAM, more: false, body: &[] }.write(&mut input);
                fill_more(&reused, &shard);
            }
            seeds.push(input);
        }
    }
    seeds
}

/// Of `history`.
#[must_use]
pub fn histories() -> Vec<Vec<u8>> {
    (0..SEEDS)
        .map(|seed| {
            let mut draw = Draw::new(seed);
            (0..draw.below(60) + 10).map(|_| draw.number() as u8).collect()
        })
        .collect()
}

/// The peer deletes a row and writes another between two sessions.
fn fill_more(reused: &Reused, shard: &ShardId) {
    let notes = reused.nodes[1].shard(shard.clone()).expect("a sound name");
    notes.delete("v1").expect("it may be missing");
    notes.upsert("v9", ([9.0, 1.0], r#"{"k": 9}"#)).expect("two dimensions");
}

/// Deltas of rows with concurrent versions, deletions and metadata.
fn database_deltas() -> Vec<Vec<u8>> {
    let delta = |seed| {
        let batch = Draw::new(seed).batch(12, 6);
        let stored = |(change_id, entry): (u64, &VectorRow)| StoredChange { change_id, entry: entry.clone() };
        let rows: Vec<StoredChange> = (1..).zip(&batch.rows).map(stored).collect();
        let shard = ShardId::new("shard").expect("a short name");
        encode_rows(&shard, &rows, &batch.names, Timestamp::from_micros(9)).ok()
    };
    (0..SEEDS).filter_map(delta).collect()
}

fn drawn_messages() -> Vec<Message> {
    let batch = |seed| Draw::new(seed).batch(6, 4);
    let mut messages: Vec<Message> = (0..4 * SEEDS).map(|seed| Draw::new(seed).message()).collect();
    messages.extend((0..4).map(|seed| Message::Batch(batch(seed))));
    messages
}

fn frames_of(message: &Message) -> Vec<Bytes> {
    message.encode(&Uncompressed).unwrap_or_default()
}

/// A header, and the frames as an input has them.
fn pieces_of(header: &[u8], frames: &[Bytes]) -> Vec<u8> {
    let mut input = header.to_vec();
    for frame in frames {
        Piece { kind: frame[4], more: frame[5] == 1, body: body_of(frame) }.write(&mut input);
    }
    input
}

fn body_of(frame: &Bytes) -> &[u8] {
    &frame[Frame::HEAD..frame.len() - CHECKSUM]
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |four| u32::from_le_bytes(*four) as usize)
}

const SEEDS: u64 = 40;
const CHECKSUM: usize = 8;
