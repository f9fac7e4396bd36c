use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::TransportError;
use crate::connection::stream::{PeerStream, RecvHalf};

/// Measures the time until a few bytes come back.
pub(crate) async fn measure(mut stream: PeerStream, limit: Duration) -> Result<Duration, TransportError> {
    let remote = stream.remote;
    let mut sent = [0; LENGTH];
    getrandom::fill(&mut sent).map_err(|error| TransportError::config(&"ping", &error))?;
    let started = Instant::now();
    let round_trip = async {
        stream.send.write(Bytes::copy_from_slice(&sent)).await?;
        stream.send.finish();
        read_payload(&mut stream.recv).await
    };
    let silent = TransportError::TimedOut { remote, waited: limit };
    let received = tokio::time::timeout(limit, round_trip).await.unwrap_or(Err(silent))?;
    if received != sent[..] {
        return Err(TransportError::Protocol {
            remote,
            reason: "it answered a ping with different bytes".to_owned(),
        });
    }
    Ok(started.elapsed())
}

/// Echoes the bytes of a ping.
pub(crate) async fn answer(mut stream: PeerStream) -> Result<(), TransportError> {
    let payload = read_payload(&mut stream.recv).await?;
    stream.send.write(payload).await?;
    stream.send.finish();
    stream.send.delivered().await
}

/// Reads at most the length of a ping, however much arrives.
async fn read_payload(recv: &mut RecvHalf) -> Result<Bytes, TransportError> {
    let mut payload = BytesMut::new();
    while let Some(bytes) = recv.read().await? {
        payload.extend_from_slice(&bytes[..bytes.len().min(LENGTH - payload.len())]);
        if payload.len() == LENGTH {
            break;
        }
    }
    Ok(payload.freeze())
}

const LENGTH: usize = 16;
