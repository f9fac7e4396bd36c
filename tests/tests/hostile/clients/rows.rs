//! Rows that no node may take in: of sites that the client never was, of the hub's own, out of time, out of shape.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use vectr_delta::{
    Batch, Dot, Message, Metadata, Payload, Row, Sibling, SiteId, Timestamp, Uncompressed, VectorId,
    VectorRow, VersionVector,
};
use vectr_tests::DIMENSIONS;

use super::again;
use super::quic::member;
use super::talk::{BATCH, Talk, hello, sealed};
use crate::attack::Target;

pub(super) async fn run(target: Target) {
    let target = &target;
    tokio::join!(again(|| one_by_one(target)), again(|| altered(target)));
}

async fn one_by_one(target: &Target) -> Option<()> {
    let member = member(target).await?;
    for number in 0..4 {
        let (mut talk, theirs) = Talk::meet(&member.connection, hello(77)).await?;
        let rows = match number {
            0 => vec![row(
                "ahead",
                HOSTILE,
                1,
                &[(HOSTILE, 1)],
                in_time(Duration::from_secs(7_200)),
                DIMENSIONS,
            )],
            1 => vec![row("short", HOSTILE, 1, &foreign(50), in_time(Duration::ZERO), 3)],
            2 => vec![row("wide", HOSTILE, 1, &foreign(40_000), in_time(Duration::ZERO), DIMENSIONS)],
            // A number of the hub's own site that it has not given yet.
            _ => vec![row("own", theirs.site.number(), 1 << 40, &[], in_time(Duration::ZERO), DIMENSIONS)],
        };
        let batch = Batch { nonce: theirs.nonce, rows, names: BTreeMap::new(), ..Batch::default() };
        // What the sender's side refuses already is altered below instead.
        if let Ok(frames) = Message::Batch(batch).encode(&Uncompressed) {
            for frame in frames {
                talk.write(&frame).await?;
            }
            while let Some(Message::Hello(_) | Message::Batch(_) | Message::End(_)) = talk.hear().await {}
        }
        target.note();
    }
    Some(())
}

/// Bytes of a batch that would be in order, but for one value that no sender of ours writes.
async fn altered(target: &Target) -> Option<()> {
    const MARK: u64 = 0x0012_3456_789a_bcde;
    let marked = Message::Batch(Batch {
        nonce: MARK,
        rows: vec![row("altered", HOSTILE, MARK >> 8, &[], in_time(Duration::ZERO), DIMENSIONS)],
        ..Batch::default()
    });
    let frame = marked.encode(&Uncompressed).unwrap().concat();
    let body = &frame[6..frame.len() - 8];
    let member = member(target).await?;
    let number = &(MARK >> 8).to_be_bytes()[..];
    let alterations: [(&[u8], &[u8]); 5] = [
        (number, &[0xff; 8]),
        (number, &[0; 8]),
        (b"hostile-altered", b"hostile\0\xff\xfeltered"),
        (b"{\"hostile\":1}", b"{\"hostile\"x1}"),
        (&1.0_f32.to_le_bytes(), &f32::NAN.to_le_bytes()),
    ];
    for (from, to) in alterations {
        let (mut talk, theirs) = Talk::meet(&member.connection, hello(77)).await?;
        let body = replaced(&replaced(body, &MARK.to_be_bytes(), &theirs.nonce.to_be_bytes()), from, to);
        talk.write(&sealed(BATCH, &body, false)).await?;
        talk.refusal().await?;
        target.note();
    }
    Some(())
}

fn row(
    name: &str,
    site: u64,
    seq: u64,
    context: &[(u64, u64)],
    time: Timestamp,
    dimensions: usize,
) -> VectorRow {
    let dot = Dot { site: SiteId::new(site), seq };
    let mut known: VersionVector = context.iter().map(|(site, seq)| (SiteId::new(*site), *seq)).collect();
    known.add(dot);
    let metadata = Metadata::new(r#"{"hostile":1}"#).unwrap();
    let payload = Payload::from_components(&vec![1.0; dimensions], Some(metadata)).unwrap();
    let id = VectorId::new(&format!("hostile-{name}")).unwrap();
    VectorRow { id, row: Row::new(vec![Sibling::put(dot, time, false, payload)], known).unwrap() }
}

fn foreign(sites: u64) -> Vec<(u64, u64)> {
    (0..sites).map(|number| ((0xbad << 48) + number * 7_919, 1_000)).collect()
}

fn in_time(ahead: Duration) -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::default().after(now + ahead)
}

/// With the last occurrence of `from` replaced.
fn replaced(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = body.windows(from.len()).rposition(|window| window == from).unwrap();
    [&body[..at], to, &body[at + from.len()..]].concat()
}

const HOSTILE: u64 = 0xbad0_0000_0000_0001;
