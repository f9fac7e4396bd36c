use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::address::Address;
use crate::connection::stream::PeerStream;
use crate::messages::message::{Message, StreamName};
use crate::messages::pending_answer::PendingAnswer;
use crate::messages::receive::delivery::Delivery;
use crate::messages::receive::inbox::{Inbox, StreamKey};
use crate::messages::receive::pending_receive::PendingReceive;
use crate::messages::send::send_queue::{self, ByteCount, Outbound, ReplyTo};
use crate::protocol::StreamKind;
use crate::{Endpoint, TransportError};

/// Sends messages to other nodes, and takes theirs. Clones are the same messenger.
#[derive(Clone)]
pub struct Messenger {
    shared: Arc<Shared>,
}

/// How a messenger works. The default works untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessengerConfig {
    /// After how long an idle stream is given back. Default: 10 s.
    pub idle_after: Duration,
}

/// What a messenger holds and has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageStatistics {
    /// Bytes on their way: given to `send` or `request`, not settled yet.
    pub outgoing_bytes: usize,
    /// Bytes that are here, and not taken by anybody.
    pub incoming_bytes: usize,
    /// Streams ever opened.
    pub streams: u64,
}

pub(crate) struct Shared {
    pub(crate) config: MessengerConfig,
    endpoint: Endpoint,
    inbox: Arc<Inbox>,
    runtime: Handle,
    queues: Mutex<HashMap<StreamKey, mpsc::UnboundedSender<Outbound>>>,
    outgoing: Arc<AtomicUsize>,
    streams: AtomicU64,
    /// Changes when a stream is wanted: who has an idle one gives it back.
    stream_wanted: watch::Sender<u64>,
}

impl Messenger {
    /// The messenger of an endpoint, which has at most one. `handler` gets the messages of the streams that are
    /// subscribed to, in their order; it must not block. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// `ERR_CONFIG` where the endpoint has a messenger already.
    pub fn new(
        endpoint: Endpoint,
        config: MessengerConfig,
        handler: impl Fn(Delivery) + Send + Sync + 'static,
    ) -> Result<Self, TransportError> {
        let inbox = Arc::new(Inbox::new(handler));
        if endpoint.inner.inbox.set(Arc::clone(&inbox)).is_err() {
            return Err(TransportError::config(&"endpoint", &"it has a messenger already: clone that one"));
        }
        let shared = Shared {
            config,
            endpoint,
            inbox,
            runtime: Handle::current(),
            queues: Mutex::default(),
            outgoing: Arc::default(),
            streams: AtomicU64::new(0),
            stream_wanted: watch::Sender::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Takes messages on `host:port` too, until it is closed; port 0 means any free one.
    ///
    /// # Errors
    /// As [`Endpoint::listen`].
    pub async fn listen(&self, address: &str) -> Result<SocketAddr, TransportError> {
        let listener = self.shared.endpoint.listen(address).await?;
        let local = listener.local_addr();
        // Streams of other kinds have no taker here: dropped, they are broken off.
        tokio::spawn(async move { while listener.accept().await.is_some() {} });
        Ok(local)
    }

    /// Hands the messages of a stream (of all streams, where none is named) to the handler from now on.
    pub fn subscribe(&self, stream: Option<&str>) {
        self.shared.inbox.subscribe(stream);
    }

    /// Undoes one [`Messenger::subscribe`] with the same name.
    pub fn unsubscribe(&self, stream: Option<&str>) {
        self.shared.inbox.unsubscribe(stream);
    }

    /// Sends a message behind all that were given for the same address and stream before; this very call decides the
    /// order. The future resolves once the peer's application has it. Dropped earlier, it takes the message back if
    /// nothing of it was sent yet.
    ///
    /// An address is `host:port`, or what a [`Delivery`] came from: a live connection that was accepted from there is
    /// preferred to a new one.
    ///
    /// # Errors
    /// `ERR_LIMIT` and `ERR_ARGUMENT` before anything is sent; `ERR_TRUST`, `ERR_PEER_UNREACHABLE`, `ERR_BUSY`,
    /// `ERR_PROTOCOL`, `ERR_CLOSED` for what was not delivered, which say so where it may have been; `ERR_TIMEOUT` by
    /// the limit alone.
    pub fn send(
        &self,
        address: &str,
        message: Message,
        limit: Option<Duration>,
    ) -> impl Future<Output = Result<(), TransportError>> + Send + use<> {
        let (sender, outcome) = oneshot::channel();
        let queued = self.shared.key(address, &message.stream).and_then(|key| {
            self.shared.enqueue(&key, message, ReplyTo::Sender(sender))?;
            Ok(key)
        });
        async move { within(limit, outcome, "the acknowledgement of", &queued?).await }
    }

    /// Sends a message as [`Messenger::send`] does, and resolves to its answer: what the peer's handler answers, else
    /// a message of the same stream from the same address that has the request's id, or that neither the handler nor
    /// a receiver here takes.
    ///
    /// # Errors
    /// As [`Messenger::send`]; `ERR_HANDLER` where the peer's handler failed.
    pub fn request(
        &self,
        address: &str,
        message: Message,
        limit: Option<Duration>,
    ) -> impl Future<Output = Result<Message, TransportError>> + Send + use<> {
        let started = self.shared.start_request(address, message);
        async move {
            let mut request = started?;
            let outcome = request.outcome.as_mut().expect("it is given up on drop only");
            within(limit, outcome, "the answer of", &request.key).await
        }
    }

    /// A place in the queue of those who take messages of a stream from an address.
    ///
    /// # Errors
    /// `ERR_ARGUMENT` for a malformed address, `ERR_CLOSED`.
    pub fn receive(&self, address: &str, stream: &StreamName) -> Result<PendingReceive, TransportError> {
        Ok(PendingReceive::new(&self.shared.inbox, self.shared.key(address, stream)?))
    }

    /// What waits, and what was done.
    #[must_use]
    pub fn statistics(&self) -> MessageStatistics {
        MessageStatistics {
            outgoing_bytes: self.shared.outgoing.load(Ordering::Relaxed),
            incoming_bytes: self.shared.inbox.queued_bytes(),
            streams: self.shared.streams.load(Ordering::Relaxed),
        }
    }

    /// The endpoint below.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// Closes the endpoint too. What is pending fails with `ERR_CLOSED`; the handler is not called any more once it
    /// resolves.
    pub async fn close(&self) {
        self.shared.inbox.close().await;
        self.shared.endpoint.close().await;
        self.shared.queues().clear();
    }
}

impl Shared {
    /// Opens a stream to whoever is at an address. Idle streams make room for it where the peer allows no more.
    pub(crate) async fn open(&self, key: &StreamKey) -> Result<PeerStream, TransportError> {
        let mut opening = pin!(self.endpoint.open_kind(&key.address, StreamKind::Messages, None));
        loop {
            tokio::select! {
                opened = &mut opening => {
                    self.streams.fetch_add(u64::from(opened.is_ok()), Ordering::Relaxed);
                    return opened;
                }
                () = tokio::time::sleep(REQUEST_IDLE_AFTER) => self.stream_wanted.send_modify(|count| *count += 1),
            }
        }
    }

    pub(crate) fn stream_wanted(&self) -> watch::Receiver<u64> {
        self.stream_wanted.subscribe()
    }

    /// Whether the courier may go: nothing was posted in the meantime.
    pub(crate) fn remove_idle_queue(
        &self,
        key: &StreamKey,
        queue: &mpsc::UnboundedReceiver<Outbound>,
    ) -> bool {
        let mut queues = self.queues();
        let idle = queue.is_empty();
        if idle {
            queues.remove(key);
        }
        idle
    }

    fn key(&self, address: &str, stream: &StreamName) -> Result<StreamKey, TransportError> {
        let address = Address::peer(address)?.to_string();
        self.endpoint.inner.ensure_open()?;
        Ok(StreamKey { address, name: stream.text.clone() })
    }

    fn start_request(self: &Arc<Self>, address: &str, message: Message) -> Result<Request, TransportError> {
        let key = self.key(address, &message.stream)?;
        let (answer, outcome) = PendingAnswer::new(message.id.clone());
        let answer = Arc::new(answer);
        self.inbox.add_request(&key, Arc::clone(&answer));
        let reply = ReplyTo::Requester(Arc::clone(&answer));
        let request = Request { outcome: Some(outcome), answer, inbox: Arc::clone(&self.inbox), key };
        self.enqueue(&request.key, message, reply)?;
        Ok(request)
    }

    fn enqueue(
        self: &Arc<Self>,
        key: &StreamKey,
        message: Message,
        reply: ReplyTo,
    ) -> Result<(), TransportError> {
        message.check()?;
        let weight = message.weight();
        let size = self.outgoing.load(Ordering::Relaxed) + weight;
        if size > MAX_OUTGOING {
            let what = "what waits to be sent";
            let hint = "await what was sent before";
            return Err(TransportError::TooLarge { what, size, limit: MAX_OUTGOING, hint });
        }
        let outbound = Outbound { message, reply, _counted: ByteCount::new(&self.outgoing, weight) };
        let mut queues = self.queues();
        let queue = queues.entry(key.clone()).or_insert_with(|| {
            let (sender, queue) = mpsc::unbounded_channel();
            self.runtime.spawn(send_queue::run(Arc::clone(self), key.clone(), queue));
            sender
        });
        // A courier leaves only when it has been taken off the list.
        let _ = queue.send(outbound);
        Ok(())
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<StreamKey, mpsc::UnboundedSender<Outbound>>> {
        self.queues.lock().expect("nothing panics while it holds the queues")
    }
}

/// A request that waits.
struct Request {
    outcome: Option<oneshot::Receiver<Result<Message, TransportError>>>,
    answer: Arc<PendingAnswer>,
    inbox: Arc<Inbox>,
    key: StreamKey,
}

impl Drop for Request {
    fn drop(&mut self) {
        self.outcome = None;
        self.inbox.remove_request(&self.key, &self.answer);
    }
}

impl Default for MessengerConfig {
    fn default() -> Self {
        Self { idle_after: Duration::from_secs(10) }
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

/// How long a stream is waited for before idle ones are asked to go.
const REQUEST_IDLE_AFTER: Duration = Duration::from_millis(50);
/// Bytes of all messages on their way.
const MAX_OUTGOING: usize = 256 << 20;
