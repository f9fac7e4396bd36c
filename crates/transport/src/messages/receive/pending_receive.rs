use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::TransportError;
use crate::messages::message::Message;
use crate::messages::receive::delivery::DeliverySource;
use crate::messages::receive::inbox::Inbox;
use crate::messages::stream_key::StreamKey;

/// A place in the queue of receivers for one address and stream. Dropping it gives up the place; a message that has
/// arrived meanwhile goes to the next receiver.
pub struct PendingReceive {
    place: Option<oneshot::Receiver<Message>>,
    inbox: Arc<Inbox>,
    key: StreamKey,
}

impl PendingReceive {
    pub(crate) fn new(inbox: &Arc<Inbox>, key: StreamKey) -> Self {
        Self { place: Some(inbox.receive(&key)), inbox: Arc::clone(inbox), key }
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// `ERR_TIMEOUT` if none arrives within the limit, `ERR_CLOSED`.
    pub async fn message(mut self, limit: Option<Duration>) -> Result<Message, TransportError> {
        let place = self.place.as_mut().expect("it is taken only on drop");
        let received = match limit {
            None => Ok(place.await),
            Some(limit) => tokio::time::timeout(limit, place).await,
        };
        match received {
            Ok(received) => {
                self.place = None;
                received.map_err(|_| TransportError::endpoint_closed())
            }
            Err(_) => Err(TransportError::Overdue {
                what: "a message from",
                address: self.key.address.clone(),
                limit: limit.unwrap_or_default(),
            }),
        }
    }
}

impl Drop for PendingReceive {
    fn drop(&mut self) {
        let Some(mut place) = self.place.take() else { return };
        place.close();
        match place.try_recv() {
            Ok(message) => Arc::clone(&self.inbox).put_back(self.key.address.clone(), message),
            Err(_) => self.inbox.remove_receiver(&self.key),
        }
    }
}
