use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::connection::stream::PeerStream;
use crate::limits::{OUTGOING, OUTGOING_TO_PEER};
use crate::messages::config::MessengerConfig;
use crate::messages::message::Message;
use crate::messages::send::outbound::{ByteCount, Caller, Outbound, ReplyTo};
use crate::messages::send::outbound_stream::OutboundStream;
use crate::messages::stream_key::StreamKey;
use crate::protocol::StreamKind;
use crate::{Endpoint, TransportError};

/// The queues of a messenger: one for each stream with something to send, served by a task of its own.
pub(crate) struct SendQueues {
    endpoint: Endpoint,
    config: MessengerConfig,
    runtime: Handle,
    queues: Mutex<Queues>,
    outgoing: Arc<AtomicUsize>,
    streams: AtomicU64,
    /// Changes when a stream is wanted: queues with an idle stream then close it.
    stream_wanted: watch::Sender<u64>,
}

#[derive(Default)]
struct Queues {
    by_stream: HashMap<StreamKey, mpsc::UnboundedSender<Outbound>>,
    /// The weight of the messages to each address that has any.
    by_address: HashMap<String, Weak<AtomicUsize>>,
}

impl SendQueues {
    /// Has to be called inside a tokio runtime.
    pub(crate) fn new(endpoint: Endpoint, config: MessengerConfig) -> Self {
        Self {
            endpoint,
            config,
            runtime: Handle::current(),
            queues: Mutex::default(),
            outgoing: Arc::default(),
            streams: AtomicU64::new(0),
            stream_wanted: watch::Sender::new(0),
        }
    }

    /// Adds a message to the queue of its stream; the order of these calls is that of the messages. The caller holds the
    /// result for as long as it waits.
    ///
    /// # Errors
    /// As [`Message::check`]; `ERR_LIMIT` if too many bytes are waiting already, for this peer or for all of them.
    pub(crate) fn enqueue(
        self: &Arc<Self>,
        key: &StreamKey,
        message: Message,
        reply: ReplyTo,
    ) -> Result<Caller, TransportError> {
        message.check()?;
        let weight = message.weight();
        let mut queues = self.queues();
        let to_peer = queues.outgoing_to(&key.address);
        let full = |what, counted: &AtomicUsize, limit| {
            let size = counted.load(Ordering::Relaxed) + weight;
            let hint = "await earlier messages first";
            if size > limit { Err(TransportError::TooLarge { what, size, limit, hint }) } else { Ok(()) }
        };
        full("the queue of outgoing messages to this peer", &to_peer, OUTGOING_TO_PEER)?;
        full("the queue of outgoing messages", &self.outgoing, OUTGOING)?;
        let counted = ByteCount::new([&self.outgoing, &to_peer], weight);
        let (outbound, caller) = Outbound::new(message, counted, reply);
        let queue = queues.by_stream.entry(key.clone()).or_insert_with(|| {
            let (sender, queue) = mpsc::unbounded_channel();
            self.runtime.spawn(run(Arc::clone(self), key.clone(), queue));
            sender
        });
        // Never an error: a task ends only after its queue has been removed.
        let _ = queue.send(outbound);
        Ok(caller)
    }

    /// Ends all queues; the messages that wait in them fail.
    pub(crate) fn close(&self) {
        self.queues().by_stream.clear();
    }

    /// The weight of all messages that are queued or sent and not settled.
    pub(crate) fn outgoing_bytes(&self) -> usize {
        self.outgoing.load(Ordering::Relaxed)
    }

    /// How many streams were ever opened.
    pub(crate) fn streams_opened(&self) -> u64 {
        self.streams.load(Ordering::Relaxed)
    }

    /// Opens a stream. Asks for idle streams to be closed if the peer allows no more.
    async fn open(&self, key: &StreamKey) -> Result<PeerStream, TransportError> {
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

    /// Removes a queue, unless a message has been added in the meantime.
    fn remove_idle(&self, key: &StreamKey, queue: &mpsc::UnboundedReceiver<Outbound>) -> bool {
        let mut queues = self.queues();
        let idle = queue.is_empty();
        if idle {
            queues.by_stream.remove(key);
        }
        idle
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().expect("nothing panics while it holds the queues")
    }
}

impl Queues {
    /// The weight of the messages to an address.
    fn outgoing_to(&mut self, address: &str) -> Arc<AtomicUsize> {
        if let Some(counted) = self.by_address.get(address).and_then(Weak::upgrade) {
            return counted;
        }
        self.by_address.retain(|_, counted| counted.strong_count() > 0);
        let counted = Arc::default();
        self.by_address.insert(address.to_owned(), Arc::downgrade(&counted));
        counted
    }
}

/// Sends the messages of one queue in order, over one stream at a time. The next stream is opened only when all
/// messages of the last one are acknowledged or reported as failed.
async fn run(queues: Arc<SendQueues>, key: StreamKey, mut queue: mpsc::UnboundedReceiver<Outbound>) {
    let mut stream_wanted = queues.stream_wanted.subscribe();
    let mut open: Option<OutboundStream> = None;
    loop {
        let outbound = match &open {
            Some(stream) => tokio::select! {
                outbound = queue.recv() => outbound,
                () = stream.wait_idle(queues.config.idle_after, &mut stream_wanted) => {
                    if let Some(stream) = open.take().filter(|stream| !stream.has_failed()) {
                        stream.finish();
                    }
                    continue;
                }
            },
            None => match tokio::time::timeout(queues.config.idle_after, queue.recv()).await {
                Ok(outbound) => outbound,
                Err(_) if queues.remove_idle(&key, &queue) => return,
                Err(_) => continue,
            },
        };
        let Some(outbound) = outbound else { return };
        // The caller gave up before anything was sent.
        if outbound.is_closed() {
            continue;
        }
        open = open.filter(|stream| !stream.has_failed());
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => match open_stream(&queues, &key).await {
                Ok(stream) => stream,
                Err(error) => {
                    outbound.fail(error.clone());
                    // Fail the rest now; each would repeat the same failing dial.
                    while let Ok(outbound) = queue.try_recv() {
                        outbound.fail(error.clone());
                    }
                    continue;
                }
            },
        };
        queues.endpoint.watch(&key.address, stream.connection());
        stream.send(outbound).await;
        open = Some(stream);
    }
}

async fn open_stream(queues: &SendQueues, key: &StreamKey) -> Result<OutboundStream, TransportError> {
    OutboundStream::open(queues.open(key).await?, &key.name).await
}

/// How long to wait for a stream before idle ones are asked to close.
const REQUEST_IDLE_AFTER: Duration = Duration::from_millis(50);
