use std::time::{Duration, Instant};

use quinn::{Connection, Endpoint, RecvStream, SendStream};

use super::wire::{Listening, dial, invited};
use crate::BenchError;

/// One end of a bare connection: answers each message with one byte.
pub struct Echo(Listening);

/// The other end: one stream that stays open.
pub struct RoundTrip {
    send: SendStream,
    receive: RecvStream,
    // The stream lives as long as these.
    _ends: (Endpoint, Connection),
}

impl Echo {
    /// Binds a port.
    ///
    /// # Errors
    /// Where none can be bound.
    pub fn listen() -> Result<Self, BenchError> {
        Ok(Self(Listening::start()?))
    }

    /// What [`RoundTrip::connect`] needs, without blanks: address and certificate.
    #[must_use]
    pub fn invitation(&self) -> String {
        self.0.invitation()
    }

    /// Answers until the other end is gone.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub async fn answer(self) -> Result<(), BenchError> {
        let connection = self.0.endpoint.accept().await.ok_or("the endpoint is closed")?.await?;
        let (mut send, mut receive) = connection.accept_bi().await?;
        let mut message = Vec::new();
        loop {
            let mut length = [0; 4];
            receive.read_exact(&mut length).await?;
            message.resize(usize::try_from(u32::from_le_bytes(length))?, 0);
            receive.read_exact(&mut message).await?;
            send.write_all(b"!").await?;
        }
    }
}

impl RoundTrip {
    /// Connects with an [`Echo`], by its invitation.
    ///
    /// # Errors
    /// Where that fails.
    pub async fn connect(invitation: &str) -> Result<Self, BenchError> {
        let (address, certificate) = invited(invitation)?;
        let (endpoint, connection) = dial(address, certificate).await?;
        let (send, receive) = connection.open_bi().await?;
        Ok(Self { send, receive, _ends: (endpoint, connection) })
    }

    /// Sends a message; the time until its answer is here.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub async fn time(&mut self, message: &[u8]) -> Result<Duration, BenchError> {
        let started = Instant::now();
        let framed = [&u32::try_from(message.len())?.to_le_bytes(), message].concat();
        self.send.write_all(&framed).await?;
        self.receive.read_exact(&mut [0]).await?;
        Ok(started.elapsed())
    }
}
