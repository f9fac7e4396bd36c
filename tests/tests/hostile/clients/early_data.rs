//! First flights of a resumed connection, recorded and sent again from elsewhere.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use quinn::{Connection, TransportConfig};
use tokio::net::UdpSocket;
use vectr_delta::{Message, Uncompressed};

use super::quic::{NAME, VECTR, endpoint};
use super::talk::hello;
use super::{again, briefly};
use crate::attack::Target;

pub(super) async fn replays(target: Target) {
    let target = &target;
    again(|| record_and_replay(target)).await;
}

async fn record_and_replay(target: &Target) -> Option<()> {
    let mut tls = target.member().tls(VECTR);
    tls.enable_early_data = true;
    let relay = Relay::start(target).await?;
    let calling = endpoint(target.source(), tls, TransportConfig::default())?;
    let first = briefly(calling.connect(relay.address, NAME).ok()?).await?.ok()?;
    // Tickets come after the handshake.
    speak(&first).await?;
    first.close(0_u32.into(), b"");
    relay.recorded.lock().unwrap().clear();
    let (second, accepted) = calling.connect(relay.address, NAME).ok()?.into_0rtt().ok()?;
    let early =
        [&[0], &Message::Hello(Box::new(hello(1))).encode(&Uncompressed).unwrap().concat()[..]].concat();
    let (mut send, _recv) = second.open_bi().await.ok()?;
    send.write_all(&early).await.ok()?;
    briefly(accepted).await?;
    let recorded = relay.recorded.lock().unwrap().clone();
    second.close(0_u32.into(), b"");
    drop(relay);
    for _ in 0..100 {
        let socket = UdpSocket::bind((target.source(), 0)).await.ok()?;
        for datagram in &recorded {
            socket.send_to(datagram, target.remote).await.ok()?;
        }
        target.note();
        tokio::task::yield_now().await;
    }
    Some(())
}

/// A ping, which the hub echoes.
async fn speak(connection: &Connection) -> Option<()> {
    let (mut send, mut recv) = connection.open_bi().await.ok()?;
    send.write_all(&[1; 17]).await.ok()?;
    send.finish().ok()?;
    briefly(recv.read_to_end(64)).await?.ok()?;
    Some(())
}

/// Passes everything on, and keeps what the caller sends first.
struct Relay {
    address: SocketAddr,
    recorded: Arc<Mutex<Vec<Vec<u8>>>>,
    running: tokio::task::JoinHandle<()>,
}

impl Relay {
    async fn start(target: &Target) -> Option<Self> {
        let (front, back) = (
            UdpSocket::bind((target.source(), 0)).await.ok()?,
            UdpSocket::bind((target.source(), 0)).await.ok()?,
        );
        back.connect(target.remote).await.ok()?;
        let address = front.local_addr().ok()?;
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&recorded);
        let running = tokio::spawn(async move {
            let (mut there, mut here, mut caller) = (vec![0; 1 << 16], vec![0; 1 << 16], None);
            loop {
                tokio::select! {
                    Ok((length, from)) = front.recv_from(&mut there) => {
                        caller = Some(from);
                        keep(&record, &there[..length]);
                        let _ = back.send(&there[..length]).await;
                    }
                    Ok(length) = back.recv(&mut here) => {
                        if let Some(caller) = caller {
                            let _ = front.send_to(&here[..length], caller).await;
                        }
                    }
                }
            }
        });
        Some(Self { address, recorded, running })
    }
}

fn keep(record: &Mutex<Vec<Vec<u8>>>, datagram: &[u8]) {
    let mut record = record.lock().unwrap();
    if record.len() < FIRST_FLIGHT {
        record.push(datagram.to_vec());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Datagrams.
const FIRST_FLIGHT: usize = 4;
