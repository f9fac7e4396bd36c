//! Little on the wire that is to become much in memory.

use std::collections::BTreeMap;

use tokio::io::AsyncWriteExt;
use vectr_delta::{Batch, Dot, Message, Row, Sibling, SiteId, Timestamp, VectorId, VectorRow, VersionVector};

use super::quic::{Certificate, member};
use super::talk::{BATCH, Talk, hello, sealed};
use super::tcp::{
    CONTINUATION, CONTROL, DATA, END_HEADERS, END_STREAM, HEADERS, RESERVED, drain, frame, head, http,
};
use super::{again, briefly};
use crate::attack::Target;

pub(super) async fn run(target: Target) {
    let target = &target;
    let (headers, endless, crumbs) = (&many_headers(), &endless_headers(), &one_byte_frames());
    tokio::join!(
        again(|| of_http(target, headers)),
        again(|| of_http(target, endless)),
        again(|| of_http(target, crumbs)),
        again(|| of_zeros(target)),
        again(|| of_rows(target)),
        again(|| of_arrays(target)),
    );
}

async fn of_http(target: &Target, frames: &[u8]) -> Option<()> {
    let stream = http(target, &Certificate::new()).await?;
    let (recv, mut send) = tokio::io::split(stream);
    let reading = tokio::spawn(drain(recv));
    target.note();
    // Refused at some place of it.
    let _ = briefly(send.write_all(frames)).await;
    reading.abort();
    Some(())
}

/// Half a million fields of two bytes in trailers, each of which stands for 34 in the receiver's list.
fn many_headers() -> Vec<u8> {
    let mut fields = vec![0x40, 1, b'x', 0];
    fields.resize(60_000, 0xbe);
    let mut frames = vec![];
    for stream in (1..16).step_by(2) {
        frames.extend(frame(HEADERS, END_HEADERS, stream, &head(RESERVED)));
        frames.extend(frame(HEADERS, END_STREAM, stream, &fields));
        for end in [0, 0, 0, 0, END_HEADERS] {
            frames.extend(frame(CONTINUATION, end, stream, &fields));
        }
    }
    frames
}

fn endless_headers() -> Vec<u8> {
    let mut frames = frame(HEADERS, 0, 1, &[0x40, 1, b'x', 0x7f, 0xff, 0xff, 0x7f]);
    for _ in 0..20 {
        frames.extend(frame(CONTINUATION, 0, 1, &[b'x'; 16_000]));
    }
    frames
}

fn one_byte_frames() -> Vec<u8> {
    let mut frames = frame(HEADERS, END_HEADERS, 1, &head(CONTROL));
    for stream in (3..16).step_by(2) {
        frames.extend(frame(HEADERS, END_HEADERS, stream, &head(RESERVED)));
    }
    for at in 0..60_000 {
        frames.extend(frame(DATA, 0, 3 + 2 * (at % 7), b"x"));
    }
    frames
}

/// A quarter of a MiB that unpacks to 64 MiB.
async fn of_zeros(target: &Target) -> Option<()> {
    let member = member(target).await?;
    let raw = 64_u32 << 20;
    let block = lz4_zeros(raw as usize);
    let body = [&[1], &raw.to_le_bytes()[..], &(block.len() as u32).to_le_bytes(), &block].concat();
    for _ in 0..8 {
        let (mut talk, _) = Talk::meet(&member.connection, hello(1)).await?;
        talk.write(&sealed(BATCH, &body, false)).await?;
        talk.refusal().await;
        target.note();
    }
    Some(())
}

/// One literal, its repetition, and the five literals that an LZ4 block has to end with.
fn lz4_zeros(length: usize) -> Vec<u8> {
    let repeated = length - 1 - 5 - 4 - 15;
    let mut block = vec![0x1f, 0, 1, 0];
    block.resize(block.len() + repeated / 255, 255);
    block.push((repeated % 255) as u8);
    block.extend([0x50, 0, 0, 0, 0, 0]);
    block
}

/// As many rows as a batch may have, each as small as a row can be, for a session that there is not.
async fn of_rows(target: &Target) -> Option<()> {
    let member = member(target).await?;
    let tombstone = |number: u64| {
        let dot = Dot { site: SiteId::new(77), seq: 1 + number };
        let version = Sibling::tombstone(dot, Timestamp::from_micros(5));
        let id = VectorId::new(&format!("hostile-{number:05}")).unwrap();
        VectorRow { id, row: Row::new(vec![version], VersionVector::new()).unwrap() }
    };
    let (mut talk, theirs) = Talk::meet(&member.connection, hello(1)).await?;
    let rows = (0..Batch::MAX_ROWS as u64).map(tombstone).collect();
    let batch = Batch { nonce: !theirs.nonce, names: BTreeMap::new(), rows, ..Batch::default() };
    talk.say(&Message::Batch(batch)).await?;
    talk.refusal().await;
    target.note();
    Some(())
}

/// A message of as many empty arrays as a frame has room for.
async fn of_arrays(target: &Target) -> Option<()> {
    let member = member(target).await?;
    let count = 250_000_u32;
    let mut head = vec![0x98, 0, 0xc2, 0xa1, b'i', 0xa1, b't', 1, 0xc0, 0xc0, 0xdd];
    head.extend(count.to_be_bytes());
    (0..count).for_each(|_| head.extend([0x93, 0xa0, 0, 0]));
    let body = [&(head.len() as u32).to_le_bytes()[..], &[0; 4], &head].concat();
    let bytes = [&[2], &sealed(0, b"s", false)[..], &sealed(1, &body, false)].concat();
    for _ in 0..8 {
        let (mut send, _recv) = briefly(member.connection.open_bi()).await?.ok()?;
        let _ = briefly(send.write_all(&bytes)).await?;
        target.note();
    }
    Some(())
}
