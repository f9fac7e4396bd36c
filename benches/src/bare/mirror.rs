use std::time::{Duration, Instant};

use quinn::{RecvStream, SendStream};

use super::wire::Loopback;
use crate::BenchError;

/// A connection whose other side sends everything back, and one stream that stays open.
pub struct Mirror {
    data: SendStream,
    echo: RecvStream,
    wire: Loopback,
}

impl Mirror {
    /// Connects over loopback.
    ///
    /// # Errors
    /// Where no socket can be made.
    pub async fn open() -> Result<Self, BenchError> {
        let wire = Loopback::connect().await?;
        let server = wire.server.clone();
        tokio::spawn(async move {
            while let Ok((send, recv)) = server.accept_bi().await {
                tokio::spawn(send_back(send, recv));
            }
        });
        let (data, echo) = wire.client.open_bi().await?;
        Ok(Self { data, echo, wire })
    }

    /// The time until these bytes are back, on the stream that stays open.
    ///
    /// # Errors
    /// Where the connection fails.
    pub async fn round_trip(&mut self, bytes: &[u8]) -> Result<Duration, BenchError> {
        let mut back = vec![0; bytes.len()];
        let started = Instant::now();
        self.data.write_all(bytes).await?;
        self.echo.read_exact(&mut back).await?;
        Ok(started.elapsed())
    }

    /// The same on a stream of its own.
    ///
    /// # Errors
    /// Where the connection fails.
    pub async fn round_trip_on_a_new_stream(&self, bytes: &[u8]) -> Result<Duration, BenchError> {
        let started = Instant::now();
        let (mut data, mut echo) = self.wire.client.open_bi().await?;
        data.write_all(bytes).await?;
        data.finish()?;
        echo.read_to_end(bytes.len()).await?;
        Ok(started.elapsed())
    }
}

async fn send_back(mut send: SendStream, mut recv: RecvStream) {
    while let Ok(Some(chunk)) = recv.read_chunk(usize::MAX, true).await {
        if send.write_chunk(chunk.bytes).await.is_err() {
            return;
        }
    }
    // The other side may be gone.
    let _ = send.finish();
}
