use std::sync::{Arc, Mutex, PoisonError};

use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tokio::task::JoinSet;

use super::wire::{Listening, dial_as, invited, self_signed};
use crate::BenchError;

/// One end of bare connections with clients that show certificates: sends the same bytes to all.
pub struct Audience {
    listening: Arc<Listening>,
    streams: Arc<Mutex<Vec<SendStream>>>,
}

/// One of those clients, with a key and a socket of its own.
pub struct Listener {
    receive: RecvStream,
    // The stream lives as long as these.
    _ends: (Endpoint, Connection, SendStream),
}

impl Audience {
    /// Binds a port, and takes in whoever connects; each is sent `greeting`.
    ///
    /// # Errors
    /// Where none can be bound.
    pub fn listen(greeting: Vec<u8>) -> Result<Self, BenchError> {
        let listening = Arc::new(Listening::start_for_certificates()?);
        let audience = Self { listening, streams: Arc::default() };
        tokio::spawn(take_in(Arc::clone(&audience.listening), Arc::clone(&audience.streams), greeting));
        Ok(audience)
    }

    /// What [`Listener::connect`] needs.
    #[must_use]
    pub fn invitation(&self) -> String {
        self.listening.invitation()
    }

    /// Sends `message` to all.
    ///
    /// # Errors
    /// Where a connection breaks.
    pub async fn tell(&self, message: &[u8]) -> Result<(), BenchError> {
        let streams = std::mem::take(&mut *self.streams.lock().unwrap_or_else(PoisonError::into_inner));
        let mut told = Vec::with_capacity(streams.len());
        for mut stream in streams {
            stream.write_all(message).await?;
            told.push(stream);
        }
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
        Ok(())
    }
}

/// Each connection in a task of its own: one that is slow to shake hands keeps nobody waiting.
async fn take_in(listening: Arc<Listening>, streams: Arc<Mutex<Vec<SendStream>>>, greeting: Vec<u8>) {
    let mut kept = JoinSet::new();
    while let Some(incoming) = listening.endpoint.accept().await {
        let (streams, greeting) = (Arc::clone(&streams), greeting.clone());
        kept.spawn(async move {
            let connection = incoming.await.ok()?;
            let (mut send, _receive) = connection.accept_bi().await.ok()?;
            send.write_all(&greeting).await.ok()?;
            streams.lock().unwrap_or_else(PoisonError::into_inner).push(send);
            connection.closed().await;
            Some(())
        });
    }
}

impl Listener {
    /// Connects with an [`Audience`], by its invitation.
    ///
    /// # Errors
    /// Where that fails.
    pub async fn connect(invitation: &str) -> Result<Self, BenchError> {
        let (address, certificate) = invited(invitation)?;
        let (endpoint, connection) = dial_as(Some(self_signed()?), address, certificate).await?;
        let (mut send, receive) = connection.open_bi().await?;
        // A stream exists for the other end once something was sent on it.
        send.write_all(b"!").await?;
        Ok(Self { receive, _ends: (endpoint, connection, send) })
    }

    /// Waits for the next message of so many bytes.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub async fn hear(&mut self, bytes: usize) -> Result<(), BenchError> {
        let mut message = vec![0; bytes];
        Ok(self.receive.read_exact(&mut message).await?)
    }
}
