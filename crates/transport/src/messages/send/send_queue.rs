use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::connection::stream::PeerStream;
use crate::messages::config::MessengerConfig;
use crate::messages::message::Message;
use crate::messages::send::outbound::{ByteCount, Outbound, ReplyTo};
use crate::messages::send::outbound_stream::OutboundStream;
use crate::messages::stream_key::StreamKey;
use crate::protocol::StreamKind;
use crate::{Endpoint, TransportError};

/// The queues of a messenger: one for each stream with something to send, served by a task of its own.
pub(crate) struct SendQueues {
    endpoint: Endpoint,
    config: MessengerConfig,
    runtime: Handle,
    queues: Mutex<HashMap<StreamKey, mpsc::UnboundedSender<Outbound>>>,
    outgoing: Arc<AtomicUsize>,
    streams: AtomicU64,
    /// Changes when a stream is wanted: queues with an idle stream then close it.
    stream_wanted: watch::Sender<u64>,
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

    /// Adds a message to the queue of its stream; the order of these calls is that of the messages.
    ///
    /// # Errors
    /// As [`Message::check`]; `ERR_LIMIT` if too many bytes are waiting already.
    pub(crate) fn enqueue(
        self: &Arc<Self>,
        key: &StreamKey,
        message: Message,
        reply: ReplyTo,
    ) -> Result<(), TransportError> {
        message.check()?;
        let weight = message.weight();
        let size = self.outgoing.load(Ordering::Relaxed) + weight;
        if size > MAX_OUTGOING {
            let what = "the queue of outgoing messages";
            let hint = "await earlier messages first";
            return Err(TransportError::TooLarge { what, size, limit: MAX_OUTGOING, hint });
        }
        let outbound = Outbound { message, reply, _counted: ByteCount::new(&self.outgoing, weight) };
        let mut queues = self.queues();
        let queue = queues.entry(key.clone()).or_insert_with(|| {
            let (sender, queue) = mpsc::unbounded_channel();
            self.runtime.spawn(run(Arc::clone(self), key.clone(), queue));
            sender
        });
        // Never an error: a task ends only after its queue has been removed.
        let _ = queue.send(outbound);
        Ok(())
    }

    /// Ends all queues; the messages that wait in them fail.
    pub(crate) fn close(&self) {
        self.queues().clear();
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
            queues.remove(key);
        }
        idle
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<StreamKey, mpsc::UnboundedSender<Outbound>>> {
        self.queues.lock().expect("nothing panics while it holds the queues")
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
        stream.send(outbound).await;
        open = Some(stream);
    }
}

async fn open_stream(queues: &SendQueues, key: &StreamKey) -> Result<OutboundStream, TransportError> {
    OutboundStream::open(queues.open(key).await?, &key.name).await
}

/// How long to wait for a stream before idle ones are asked to close.
const REQUEST_IDLE_AFTER: Duration = Duration::from_millis(50);
/// The limit on the bytes of all outgoing messages.
const MAX_OUTGOING: usize = 256 << 20;
