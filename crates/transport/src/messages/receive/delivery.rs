use std::sync::Arc;

use crate::TransportError;
use crate::messages::message::Message;
use crate::messages::receive::inbound_stream::InboundStream;

/// A message on its way into the application's hands.
pub struct Delivery {
    /// Where it came from: what can be given to `send`, `receive` and `request`.
    pub address: String,
    /// The message.
    pub message: Message,
    /// What has to be said about it.
    pub ack: AckHandle,
}

/// What the receiver of a message owes: to say when the application has it, and what comes of it. Dropped, it says
/// that there is no answer.
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
    /// Gives the message back: nobody took it after all. It waits for the next who receives.
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

    /// Whether the sender waits for an answer.
    #[must_use]
    pub const fn wants_answer(&self) -> bool {
        self.wants_answer
    }

    /// The application has the message: its sender is told so. To be said once, in the order of messages.
    pub fn acknowledge(&self) {
        if let Some(stream) = &self.stream {
            stream.count_taken();
        }
    }

    /// Answers. Where no answer was asked for, this only ends the handler's work.
    ///
    /// # Errors
    /// `ERR_LIMIT` for what is too large to be sent; the sender then hears that the handler failed.
    pub fn answer(self, message: Message) -> Result<(), TransportError> {
        if let Err(error) = message.check() {
            self.fail(&error.to_string());
            return Err(error);
        }
        self.settle(Some(Ok(message)));
        Ok(())
    }

    /// The handler failed.
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

/// Characters of an error that travel.
const MAX_REASON: usize = 4096;
