use std::sync::Arc;

use crate::TransportError;
use crate::messages::message::Message;
use crate::messages::receive::inbound_stream::InboundStream;

/// A received message, handed to the application.
pub struct Delivery {
    /// The sender's address, to be passed to `send`, `receive` or `request`.
    pub address: String,
    /// The message.
    pub message: Message,
    /// Acknowledges and answers the message.
    pub ack: AckHandle,
}

/// Tells the sender of a message that the application has taken it, and what the result was. Dropping it means that
/// there is no answer.
pub struct AckHandle {
    stream: Option<Arc<InboundStream>>,
    source: Arc<dyn DeliverySource>,
    number: u64,
    wants_answer: bool,
    settled: bool,
}

/// Where deliveries come from.
pub(crate) trait DeliverySource: Send + Sync {
    /// A handler has finished: hands out what `stream` held back until then.
    fn resume(self: Arc<Self>, stream: &Arc<InboundStream>);

    /// Takes back a message that was handed out and not kept.
    fn put_back(self: Arc<Self>, address: String, message: Message);
}

impl Delivery {
    /// Returns a message that was not wanted after all. It waits for the next receiver.
    pub fn put_back(self) {
        let Self { address, message, ack } = self;
        ack.acknowledge();
        let source = Arc::clone(&ack.source);
        drop(ack);
        source.put_back(address, message);
    }
}

impl AckHandle {
    pub(crate) const fn new(
        stream: Option<Arc<InboundStream>>,
        source: Arc<dyn DeliverySource>,
        number: u64,
        wants_answer: bool,
    ) -> Self {
        Self { stream, source, number, wants_answer, settled: false }
    }

    /// Whether the sender is waiting for an answer.
    #[must_use]
    pub const fn wants_answer(&self) -> bool {
        self.wants_answer
    }

    /// Tells the sender that the application has taken the message. Call it once, in the order of the messages.
    pub fn acknowledge(&self) {
        if let Some(stream) = &self.stream {
            stream.count_taken();
        }
    }

    /// Answers the message. If the sender does not wait for an answer, this only ends the handler's work.
    ///
    /// # Errors
    /// `ERR_LIMIT` if the answer is too large, or the sender has not read too many earlier ones; it then learns that the
    /// handler failed.
    pub fn answer(self, message: Message) -> Result<(), TransportError> {
        let wanted = self.stream.as_ref().filter(|_| self.wants_answer);
        let room = || wanted.map_or(Ok(()), |stream| stream.check_answer(&message));
        if let Err(error) = message.check().and_then(|()| room()) {
            self.fail(&error.to_string());
            return Err(error);
        }
        self.settle(Some(Ok(message)));
        Ok(())
    }

    /// Reports that the handler failed.
    pub fn fail(self, reason: &str) {
        let shortened = reason.chars().take(MAX_REASON).collect();
        self.settle(Some(Err(shortened)));
    }

    fn settle(mut self, outcome: Option<Result<Message, String>>) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: Option<Result<Message, String>>) {
        let Some(stream) = self.stream.as_ref().filter(|_| !self.settled) else { return };
        self.settled = true;
        stream.settle(self.number, self.wants_answer, outcome);
        Arc::clone(&self.source).resume(stream);
    }
}

impl Drop for AckHandle {
    fn drop(&mut self) {
        self.end(None);
    }
}

/// The number of characters of an error that are sent.
const MAX_REASON: usize = 4096;
