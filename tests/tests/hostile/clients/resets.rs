//! Streams and sessions that are begun to be broken off.

use tokio::io::AsyncWriteExt;
use vectr_delta::{Hello, Message, Reject};

use super::quic::{Certificate, Connected, member, outsider};
use super::talk::{Talk, hello};
use super::tcp::{END_HEADERS, HEADERS, RESERVED, RESET, STREAM, drain, frame, head, http};
use super::{again, briefly};
use crate::attack::Target;

/// Over QUIC as a member and an outsider; over TCP as an outsider.
pub(super) async fn streams(target: Target) {
    let target = &target;
    tokio::join!(
        again(|| async { break_off(target, &member(target).await?).await }),
        again(|| async { break_off(target, &outsider(target).await?).await }),
        again(|| over_tcp(target, Certificate::new())),
    );
}

async fn break_off(target: &Target, connected: &Connected) -> Option<()> {
    for number in 0..5_000_u32 {
        let (mut send, mut recv) = briefly(connected.connection.open_bi()).await?.ok()?;
        send.write_all(&[(number % 5) as u8, 3, 0, 0, 0]).await.ok()?;
        send.reset(number.into()).ok()?;
        recv.stop(number.into()).ok()?;
        target.note();
    }
    Some(())
}

/// As a member whose certificate is pinned, and as somebody else.
pub(super) async fn streams_over_tcp(target: Target) {
    let target = &target;
    tokio::join!(
        again(|| async { pinned_over_tcp(target).await }),
        again(|| over_tcp(target, Certificate::new())),
    );
}

async fn pinned_over_tcp(target: &Target) -> Option<()> {
    let stream = http(target, &target.member()).await?;
    reset_all(target, stream).await
}

async fn over_tcp(target: &Target, certificate: Certificate) -> Option<()> {
    let stream = http(target, &certificate).await?;
    reset_all(target, stream).await
}

async fn reset_all<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static>(
    target: &Target,
    stream: S,
) -> Option<()> {
    let (recv, mut send) = tokio::io::split(stream);
    let reading = tokio::spawn(drain(recv));
    let mut flood = async || {
        for round in 0..2_000_u32 {
            let mut frames = vec![];
            for stream in (0..16).map(|place| 1 + 2 * (16 * round + place)) {
                let path = if stream % 4 == 1 { STREAM } else { RESERVED };
                frames.extend(frame(HEADERS, END_HEADERS, stream, &head(path)));
                frames.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
                target.note();
            }
            briefly(send.write_all(&frames)).await?.ok()?;
            briefly(send.flush()).await?.ok()?;
            tokio::task::yield_now().await;
        }
        Some(())
    };
    let outcome = flood().await;
    reading.abort();
    outcome
}

/// Sessions that ask to be begun anew, with certificates that are new as well.
pub(super) async fn restarts(target: Target) {
    let target = &target;
    tokio::join!(again(|| begin_anew(target, false)), again(|| begin_anew(target, true)));
}

async fn begin_anew(target: &Target, live: bool) -> Option<()> {
    let member = member(target).await?;
    for site in 0..16 {
        let mut talk = Talk::open(&member.connection).await?;
        talk.say(&Message::Hello(Box::new(Hello { live, ..hello(100 + site) }))).await?;
        target.note();
        if let Message::Reject(reject) = talk.hear().await? {
            assert_eq!(reject.code, "ERR_LIMIT");
            return Some(());
        }
        let again = Reject { code: "ERR_RESTART".into(), reason: "again".into(), retry: true };
        talk.say(&Message::Reject(again)).await?;
        talk.send.finish().ok()?;
        while talk.hear().await.is_some() {}
    }
    Some(())
}
