use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::address::Address;
use crate::messages::config::MessengerConfig;
use crate::messages::message::{Message, StreamName};
use crate::messages::pending_answer::PendingAnswer;
use crate::messages::receive::delivery::Delivery;
use crate::messages::receive::inbox::Inbox;
use crate::messages::receive::pending_receive::PendingReceive;
use crate::messages::send::outbound::{Caller, ReplyTo};
use crate::messages::send::send_queue::SendQueues;
use crate::messages::stream_key::StreamKey;
use crate::{Endpoint, TransportError};

/// Sends messages to other nodes and receives theirs. Clones share one messenger.
#[derive(Clone)]
pub struct Messenger {
    shared: Arc<Shared>,
}

/// Counters of a messenger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageStatistics {
    /// Bytes of messages passed to `send` or `request` that are not settled yet.
    pub outgoing_bytes: usize,
    /// Bytes of received messages that nobody has taken yet.
    pub incoming_bytes: usize,
    /// Streams opened so far.
    pub streams: u64,
}

struct Shared {
    endpoint: Endpoint,
    inbox: Arc<Inbox>,
    queues: Arc<SendQueues>,
}

impl Messenger {
    /// Creates the messenger of an endpoint, which has at most one. `handler` receives the messages of the subscribed
    /// streams, in order; it must not block. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// `ERR_CONFIG` if the endpoint already has a messenger.
    pub fn new(
        endpoint: Endpoint,
        config: MessengerConfig,
        handler: impl Fn(Delivery) + Send + Sync + 'static,
    ) -> Result<Self, TransportError> {
        let inbox = Arc::new(Inbox::new(handler));
        if endpoint.inner.inbox.set(Arc::clone(&inbox)).is_err() {
            return Err(TransportError::config(&"endpoint", &"it already has a messenger: clone that one"));
        }
        let queues = SendQueues::new(endpoint.clone(), config);
        let shared = Shared { endpoint, inbox, queues: Arc::new(queues) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Accepts messages on `host:port` until closed; port 0 means any free one.
    ///
    /// # Errors
    /// As [`Endpoint::listen`].
    pub async fn listen(&self, address: &str) -> Result<SocketAddr, TransportError> {
        let listener = self.shared.endpoint.listen(address).await?;
        let local = listener.local_addr();
        // Streams of other kinds are dropped, which aborts them.
        tokio::spawn(async move { while listener.accept().await.is_some() {} });
        Ok(local)
    }

    /// Passes the messages of a stream, or of all streams if none is named, to the handler from now on.
    pub fn subscribe(&self, stream: Option<&str>) {
        self.shared.inbox.subscribe(stream);
    }

    /// Reverts one [`Messenger::subscribe`] with the same name.
    pub fn unsubscribe(&self, stream: Option<&str>) {
        self.shared.inbox.unsubscribe(stream);
    }

    /// Sends a message after all earlier ones to the same address and stream; the order is that of the calls, not of
    /// polling. The future resolves once the peer's application has taken the message. Dropping it withdraws the
    /// message if none of it was sent yet.
    ///
    /// An address is `host:port`, or the address of a [`Delivery`]. A live connection accepted from there is preferred
    /// to a new one.
    ///
    /// # Errors
    /// `ERR_LIMIT` and `ERR_ARGUMENT` before anything is sent; `ERR_TRUST`, `ERR_PEER_UNREACHABLE`, `ERR_BUSY`,
    /// `ERR_PROTOCOL` and `ERR_CLOSED` if the message was not delivered (the error says so if it may have been);
    /// `ERR_TIMEOUT` only when `limit` has passed.
    pub fn send(
        &self,
        address: &str,
        message: Message,
        limit: Option<Duration>,
    ) -> impl Future<Output = Result<(), TransportError>> + Send + use<> {
        let (sender, outcome) = oneshot::channel();
        let queued = self.shared.key(address, &message.stream).and_then(|key| {
            let caller = self.shared.queues.enqueue(&key, message, ReplyTo::Sender(sender))?;
            Ok((key, caller))
        });
        async move {
            let (key, _caller) = queued?;
            within(limit, outcome, "the acknowledgement from", &key).await
        }
    }

    /// Sends a message like [`Messenger::send`] and resolves to its answer. That is what the peer's handler answers, or
    /// else a message on the same stream from the same address that either has the request's id, or is taken by no
    /// handler or receiver here.
    ///
    /// # Errors
    /// As [`Messenger::send`]; `ERR_HANDLER` if the peer's handler failed.
    pub fn request(
        &self,
        address: &str,
        message: Message,
        limit: Option<Duration>,
    ) -> impl Future<Output = Result<Message, TransportError>> + Send + use<> {
        let started = self.shared.start_request(address, message);
        async move {
            let mut request = started?;
            let outcome = request.outcome.as_mut().expect("it is taken only on drop");
            within(limit, outcome, "the answer from", &request.key).await
        }
    }

    /// Queues up for the next message of a stream from an address.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a malformed address, `ERR_CLOSED`.
    pub fn receive(&self, address: &str, stream: &StreamName) -> Result<PendingReceive, TransportError> {
        Ok(PendingReceive::new(&self.shared.inbox, self.shared.key(address, stream)?))
    }

    /// The current counters.
    #[must_use]
    pub fn statistics(&self) -> MessageStatistics {
        MessageStatistics {
            outgoing_bytes: self.shared.queues.outgoing_bytes(),
            incoming_bytes: self.shared.inbox.queued_bytes(),
            streams: self.shared.queues.streams_opened(),
        }
    }

    /// The endpoint that this messenger uses.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// Closes the messenger and its endpoint. Pending calls fail with `ERR_CLOSED`. After it resolves, the handler is
    /// no longer called.
    pub async fn close(&self) {
        self.shared.inbox.close().await;
        self.shared.endpoint.close().await;
        self.shared.queues.close();
    }
}

impl Shared {
    fn key(&self, address: &str, stream: &StreamName) -> Result<StreamKey, TransportError> {
        let address = Address::peer(address)?.to_string();
        self.endpoint.inner.ensure_open()?;
        Ok(StreamKey { address, name: stream.text.clone() })
    }

    fn start_request(&self, address: &str, message: Message) -> Result<Request, TransportError> {
        let key = self.key(address, &message.stream)?;
        let (answer, outcome) = PendingAnswer::new(message.id.clone());
        let answer = Arc::new(answer);
        self.inbox.add_request(&key, Arc::clone(&answer));
        let reply = ReplyTo::Requester(Arc::clone(&answer));
        let inbox = Arc::clone(&self.inbox);
        let mut request = Request { outcome: Some(outcome), answer, inbox, key, caller: None };
        request.caller = Some(self.queues.enqueue(&request.key, message, reply)?);
        Ok(request)
    }
}

/// A request waiting for its answer.
struct Request {
    outcome: Option<oneshot::Receiver<Result<Message, TransportError>>>,
    answer: Arc<PendingAnswer>,
    inbox: Arc<Inbox>,
    key: StreamKey,
    /// `None` until the request is queued.
    caller: Option<Caller>,
}

impl Drop for Request {
    fn drop(&mut self) {
        self.outcome = None;
        self.caller = None;
        self.inbox.remove_request(&self.key, &self.answer);
    }
}

async fn within<T>(
    limit: Option<Duration>,
    outcome: impl Future<Output = Result<Result<T, TransportError>, oneshot::error::RecvError>>,
    what: &'static str,
    key: &StreamKey,
) -> Result<T, TransportError> {
    let ended =
        match limit {
            None => outcome.await,
            Some(limit) => tokio::time::timeout(limit, outcome)
                .await
                .map_err(|_| TransportError::Overdue { what, address: key.address.clone(), limit })?,
        };
    ended.unwrap_or(Err(TransportError::endpoint_closed()))
}
