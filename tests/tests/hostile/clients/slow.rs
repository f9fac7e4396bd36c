//! Peers that take their time.

use std::time::Duration;

use quinn::TransportConfig;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use vectr_delta::{Hello, Message, Uncompressed};

use super::again;
use super::quic::{Certificate, member, member_with};
use super::talk::{Talk, hello};
use super::tcp::{DATA, END_HEADERS, HEADERS, RESERVED, frame, head, http, socket};
use crate::attack::Target;

/// A byte at a time, in both directions.
pub(super) async fn trickle(target: Target) {
    let target = &target;
    tokio::join!(
        again(|| in_parallel(target, 8, slow_writer)),
        again(|| in_parallel(target, 8, slow_reader)),
        again(|| in_parallel(target, 40, slow_handshake)),
        again(|| in_parallel(target, 20, slow_stranger)),
    );
}

async fn in_parallel<F>(target: &Target, count: usize, one: fn(Target) -> F) -> Option<()>
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    let mut all = JoinSet::new();
    for _ in 0..count {
        all.spawn(one(target.clone()));
    }
    all.join_all().await;
    None
}

/// A Hello, and what follows, byte by byte.
async fn slow_writer(target: Target) -> Option<()> {
    let member = member(&target).await?;
    let mut talk = Talk::open(&member.connection).await?;
    for byte in Message::Hello(Box::new(hello(1))).encode(&Uncompressed).unwrap().concat() {
        talk.write(&[byte]).await?;
        target.note();
        tokio::time::sleep(PAUSE).await;
    }
    while talk.hear().await.is_some() {}
    Some(())
}

/// Says that it takes any number of batches, and reads a byte now and then.
async fn slow_reader(target: Target) -> Option<()> {
    let member = member_with(&target, small_windows()).await?;
    let (mut talk, _) =
        Talk::meet(&member.connection, Hello { window: u16::MAX, live: true, ..hello(1) }).await?;
    loop {
        talk.recv.read(&mut [0]).await.ok()??;
        target.note();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn slow_handshake(target: Target) -> Option<()> {
    let mut socket = socket(target.source(), target.remote).await?;
    for byte in [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[5; 500]].concat() {
        socket.write_all(&[byte]).await.ok()?;
        target.note();
        tokio::time::sleep(PAUSE).await;
    }
    Some(())
}

async fn slow_stranger(target: Target) -> Option<()> {
    let mut stream = http(&target, &Certificate::new()).await?;
    stream.write_all(&frame(HEADERS, END_HEADERS, 1, &head(RESERVED))).await.ok()?;
    loop {
        stream.write_all(&frame(DATA, 0, 1, b"x")).await.ok()?;
        stream.flush().await.ok()?;
        target.note();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Members with many sessions that ask for everything, and read nothing.
pub(super) async fn stalls(target: Target) {
    let target = &target;
    tokio::join!(again(|| stalled(target)), again(|| stalled(target)), again(|| stalled(target)));
}

async fn stalled(target: &Target) -> Option<()> {
    let member = member_with(target, small_windows()).await?;
    let mut talks = vec![];
    for site in 0..STALLED {
        let greeting = Hello { window: u16::MAX, live: true, ..hello(1_000 + site) };
        talks.push(Talk::meet(&member.connection, greeting).await?.0);
        target.note();
    }
    // It speaks, so that it counts as alive.
    loop {
        for talk in &mut talks {
            talk.say(&Message::Ack(0)).await?;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What the hub sends waits in the hub.
fn small_windows() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(16_384_u32.into()).receive_window(65_536_u32.into());
    transport
}

const PAUSE: Duration = Duration::from_millis(5);
const STALLED: u64 = 40;
