//! The clients. Each of them does one kind of harm, as an outsider and, where that differs, as a trusted writer.

mod bombs;
mod claims;
mod early_data;
mod garbage;
mod handshakes;
mod lengths;
mod quic;
mod resets;
mod rows;
mod slow;
mod talk;
mod tcp;

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use crate::attack::{Client, Target};
use crate::scene::Trusted;

pub(crate) use quic::Certificate;

/// All of them, those that need the hub to trust in the same way beside each other.
pub(crate) const ALL: &[Client] = &[
    // The control: what honest peers cost by themselves.
    by_secret("nobody", "moments", |target| Box::pin(nobody(target))),
    by_secret("garbage", "datagrams, records and streams", |target| Box::pin(garbage::bytes(target))),
    by_secret("truncated frames", "frames", |target| Box::pin(garbage::truncated(target))),
    Client {
        memory: OF_MEMBER,
        ..by_secret("giant lengths", "lengths", |target| Box::pin(lengths::run(target)))
    },
    Client { memory: OF_MEMBER, ..by_secret("bombs", "bombs", |target| Box::pin(bombs::run(target))) },
    Client {
        memory: OF_MEMBER,
        ..by_secret("false Ends", "claims", |target| Box::pin(claims::false_ends(target)))
    },
    Client { memory: OF_MEMBER, ..by_secret("foreign dots", "rows", |target| Box::pin(rows::run(target))) },
    by_secret("endless handshakes", "handshakes", |target| Box::pin(handshakes::endless(target))),
    Client { memory: OF_MEMBER, ..by_secret("trickle", "bytes", |target| Box::pin(slow::trickle(target))) },
    by_secret("10,000 connections", "connections", |target| Box::pin(handshakes::many(target))),
    by_secret("resets", "streams", |target| Box::pin(resets::streams(target))),
    Client { memory: OF_MEMBER, ..by_secret("stalls", "sessions", |target| Box::pin(slow::stalls(target))) },
    by_secret("restarts", "sessions", |target| Box::pin(resets::restarts(target))),
    by_secret("a thousand shards", "names", |target| Box::pin(claims::made_up_shards(target))),
    by_pin("replayed early data", "first flights", |target| Box::pin(early_data::replays(target))),
    by_pin("resets over TCP", "streams", |target| Box::pin(resets::streams_over_tcp(target))),
];

const fn by_secret(
    name: &'static str,
    deeds: &'static str,
    run: fn(Target) -> crate::attack::Running,
) -> Client {
    Client { name, deeds, trusted: Trusted::BySecret, memory: MOST, run }
}

const fn by_pin(
    name: &'static str,
    deeds: &'static str,
    run: fn(Target) -> crate::attack::Running,
) -> Client {
    Client { name, deeds, trusted: Trusted::ByPin, memory: MOST, run }
}

/// Does it again and again. What fails is tried anew after a moment: the hub refuses a good deal.
async fn again<F: Future<Output = Option<()>>>(mut attempt: impl FnMut() -> F) -> Infallible {
    loop {
        if attempt().await.is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::task::yield_now().await;
    }
}

/// Gives up what takes longer than an attacker waits.
async fn briefly<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_secs(2), work).await.ok()
}

async fn nobody(target: Target) {
    target.note();
    std::future::pending::<()>().await;
}

/// Most that a client may make `vectr serve` hold, as SECURITY.md and docs/limits.md say.
const MOST: u64 = 64 << 20;
/// The same of a member: besides, pages that it does not read, and messages that are unpacked before they are refused.
const OF_MEMBER: u64 = 192 << 20;
