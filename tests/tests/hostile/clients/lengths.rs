//! Lengths that no memory has room for.

use tokio::io::AsyncWriteExt;

use super::quic::{Certificate, member};
use super::talk::{BATCH, HELLO, Talk, hello, sealed};
use super::tcp::{HEADERS, http, socket};
use super::{again, briefly};
use crate::attack::Target;

pub(super) async fn run(target: Target) {
    let target = &target;
    tokio::join!(
        again(|| of_frames(target)),
        again(|| within_hellos(target)),
        again(|| within_batches(target)),
        again(|| of_messages(target)),
        again(|| of_records(target)),
    );
}

async fn of_frames(target: &Target) -> Option<()> {
    let member = member(target).await?;
    for length in [u32::MAX, 1 << 31, (1 << 20) + 1, 1 << 20, 0, 1, 13] {
        let mut talk = Talk::open(&member.connection).await?;
        talk.write(&[&length.to_le_bytes()[..], &[1, 0, 0, 0]].concat()).await?;
        target.note();
        let (mut talk, _) = Talk::meet(&member.connection, hello(1)).await?;
        talk.write(&[&length.to_le_bytes()[..], &[2, 1, 0, 0]].concat()).await?;
        target.note();
    }
    Some(())
}

/// Lists, maps, texts and bytes of 4 GiB where a Hello has something else or something short.
async fn within_hellos(target: &Target) -> Option<()> {
    let member = member(target).await?;
    for kind in [0xdd, 0xdf, 0xdb, 0xc6, 0xc9] {
        let long = [kind, 0xff, 0xff, 0xff, 0xff];
        for body in [
            &long[..],
            &[&[0xdc, 0, 17, 7], &long[..]].concat(),
            &[&[0xdc, 0, 17, 7, 0x92, 1, 1], &long[..]].concat(),
        ] {
            let mut talk = Talk::open(&member.connection).await?;
            talk.write(&sealed(HELLO, body, false)).await?;
            target.note();
        }
    }
    // More than any Hello has, frame after frame.
    let mut talk = Talk::open(&member.connection).await?;
    for _ in 0..6 {
        talk.write(&sealed(HELLO, &vec![0xdd; 1_000_000], true)).await?;
        target.note();
    }
    Some(())
}

/// What a batch says that it unpacks to, and what its columns say that they hold.
async fn within_batches(target: &Target) -> Option<()> {
    let member = member(target).await?;
    for codec in [0, 1] {
        for raw in [u32::MAX, (64 << 20) + 1, 64 << 20] {
            for columns in [u32::MAX, 64 << 20, 100] {
                let (mut talk, _) = Talk::meet(&member.connection, hello(1)).await?;
                let body = [&[codec], &raw.to_le_bytes()[..], &columns.to_le_bytes(), &[0xdd; 300]].concat();
                talk.write(&sealed(BATCH, &body, false)).await?;
                talk.refusal().await;
                target.note();
            }
        }
    }
    Some(())
}

async fn of_messages(target: &Target) -> Option<()> {
    let member = member(target).await?;
    for lengths in [[u32::MAX; 2], [4 << 20, 64 << 20], [1, u32::MAX]] {
        let (mut send, _recv) = briefly(member.connection.open_bi()).await?.ok()?;
        let message = [&lengths[0].to_le_bytes()[..], &lengths[1].to_le_bytes(), &[0x98]].concat();
        let bytes = [&[2], &sealed(0, b"stream", false)[..], &sealed(1, &message, true)].concat();
        let _ = briefly(send.write_all(&bytes)).await?;
        target.note();
    }
    Some(())
}

/// Of an outsider, in TLS and in HTTP/2.
async fn of_records(target: &Target) -> Option<()> {
    let mut plain = socket(target.source(), target.remote).await?;
    plain.write_all(&[0x16, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff]).await.ok()?;
    target.note();
    let mut stream = http(target, &Certificate::new()).await?;
    stream
        .write_all(&[0xff, 0xff, 0xff, HEADERS, 4, 0, 0, 0, 1, 0x40, 0x7f, 0xff, 0xff, 0xff, 0x7f])
        .await
        .ok()?;
    stream.flush().await.ok()?;
    target.note();
    Some(())
}
