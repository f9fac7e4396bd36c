//! Bytes that mean nothing, and frames that break off.

use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use vectr_delta::{Message, Uncompressed};
use vectr_tests::Random;

use super::quic::{Certificate, member};
use super::talk::{BATCH, Talk, hello, sealed};
use super::tcp::{http, socket, tls};
use super::{again, briefly};
use crate::attack::Target;

/// To both ports, and as a member on streams of every kind.
pub(super) async fn bytes(target: Target) {
    let target = &target;
    tokio::join!(
        again(|| datagrams(target)),
        again(|| over_tcp(target)),
        again(|| inside_tls(target)),
        again(|| on_streams(target)),
    );
}

async fn datagrams(target: &Target) -> Option<()> {
    let socket = UdpSocket::bind((target.source(), 0)).await.ok()?;
    let mut random = random();
    for number in 0..64 {
        let mut datagram = noise(&mut random, 1_400);
        if number % 2 == 0 {
            // Looks like the first packet of a connection.
            datagram.resize(1_200, 7);
            datagram[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
        }
        socket.send_to(&datagram, target.remote).await.ok()?;
        target.note();
    }
    Some(())
}

async fn over_tcp(target: &Target) -> Option<()> {
    let mut socket = socket(target.source(), target.remote).await?;
    target.note();
    briefly(socket.write_all(&noise(&mut random(), 60_000))).await?.ok()
}

async fn inside_tls(target: &Target) -> Option<()> {
    let mut stream = tls(target, &Certificate::new()).await?;
    target.note();
    briefly(stream.write_all(&noise(&mut random(), 60_000))).await?.ok()
}

async fn on_streams(target: &Target) -> Option<()> {
    let member = member(target).await?;
    let mut random = random();
    for number in 0..50 {
        let (mut send, _recv) = briefly(member.connection.open_bi()).await?.ok()?;
        let bytes = [&[number % 8], &noise(&mut random, 20_000)[..]].concat();
        // The hub may have enough before the end.
        let _ = briefly(send.write_all(&bytes)).await?;
        target.note();
    }
    Some(())
}

/// The beginnings of frames, at every place, with every kind of end.
pub(super) async fn truncated(target: Target) {
    let target = &target;
    tokio::join!(
        again(|| before_a_hello(target)),
        again(|| after_a_hello(target)),
        again(|| records(target)),
        again(|| of_http(target)),
    );
}

async fn before_a_hello(target: &Target) -> Option<()> {
    let member = member(target).await?;
    let whole = Message::Hello(Box::new(hello(1))).encode(&Uncompressed).unwrap().concat();
    for length in 0..whole.len() {
        let mut talk = Talk::open(&member.connection).await?;
        talk.write(&whole[..length]).await?;
        match length % 3 {
            0 => talk.send.finish().ok()?,
            1 => talk.send.reset(9_u32.into()).ok()?,
            // Dropped: the end comes without a word.
            _ => drop(talk),
        }
        target.note();
    }
    Some(())
}

async fn after_a_hello(target: &Target) -> Option<()> {
    let member = member(target).await?;
    let piece = sealed(BATCH, &[0; 30_000], true);
    for length in [1, 3, 5, 6, 7, 1_000, piece.len() - 1, piece.len()] {
        let (mut talk, _) = Talk::meet(&member.connection, hello(1)).await?;
        talk.write(&piece[..length]).await?;
        talk.send.finish().ok()?;
        talk.refusal().await;
        target.note();
    }
    Some(())
}

async fn records(target: &Target) -> Option<()> {
    let mut socket = socket(target.source(), target.remote).await?;
    // A record of 512 bytes, which holds the beginning of a ClientHello.
    let record = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[5; 100]].concat();
    target.note();
    let length = 1 + random().below(record.len() as u64) as usize;
    briefly(socket.write_all(&record[..length])).await?.ok()
}

async fn of_http(target: &Target) -> Option<()> {
    let mut stream = http(target, &Certificate::new()).await?;
    target.note();
    // A frame of headers that says 200 bytes and has four.
    briefly(stream.write_all(&[0, 0, 200, 1, 4, 0, 0, 0, 1, 0x83, 0x87, 4, 3])).await?.ok()
}

fn noise(random: &mut Random, most: u64) -> Vec<u8> {
    (0..1 + random.below(most)).map(|_| random.next() as u8).collect()
}

fn random() -> Random {
    let mut seed = [0; 8];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut seed).unwrap();
    Random::new(u64::from_le_bytes(seed))
}
