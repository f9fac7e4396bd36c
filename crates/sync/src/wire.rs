use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use vectr_delta::{Codec, DeltaError, FrameDecoder, Message, MessageDecoder, Uncompressed};
use vectr_transport::{PeerStream, RecvHalf, SendHalf, TransportError};

/// Messages over one stream. Two tasks encode and decode, so that reading never waits for writing.
pub(crate) struct Wire {
    outbound: mpsc::UnboundedSender<Message>,
    inbound: mpsc::Receiver<Arrival>,
    writing: JoinHandle<Result<(), TransportError>>,
    reading: JoinHandle<()>,
    traffic: Arc<Traffic>,
}

/// What comes from the peer.
pub(crate) enum Arrival {
    Message(Box<Message>),
    Unreadable(DeltaError),
    /// Nothing follows; with an error where the stream broke.
    End(Option<TransportError>),
}

/// Bytes of frames.
#[derive(Default)]
pub(crate) struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(crate) fn count_sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Wire {
    pub(crate) fn new(stream: PeerStream) -> Self {
        let (outbound, messages) = mpsc::unbounded_channel();
        let (arrivals, inbound) = mpsc::channel(ARRIVALS);
        let traffic = Arc::new(Traffic::default());
        let writing = tokio::spawn(write_messages(stream.send, messages, Arc::clone(&traffic)));
        let reading = tokio::spawn(read_messages(stream.recv, arrivals, Arc::clone(&traffic)));
        Self { outbound, inbound, writing, reading, traffic }
    }

    /// Queues a message. What the session sends is bounded by the peer's window.
    pub(crate) fn send(&self, message: Message) {
        // A writer that is gone shows as an end of the stream.
        let _ = self.outbound.send(message);
    }

    /// The next arrival. Safe to cancel.
    pub(crate) async fn receive(&mut self) -> Arrival {
        self.inbound.recv().await.unwrap_or(Arrival::End(None))
    }

    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Says that nothing follows, and goes on sending in the background until the peer has all of it or a bounded
    /// time is over. The handle ends then.
    pub(crate) fn finish(self) -> JoinHandle<()> {
        let Self { outbound, inbound, writing, reading, .. } = self;
        drop(outbound);
        tokio::spawn(async move {
            let abort = writing.abort_handle();
            if tokio::time::timeout(FAREWELL, writing).await.is_err() {
                abort.abort();
            }
            reading.abort();
            drop(inbound);
        })
    }
}

async fn write_messages(
    mut send: SendHalf,
    mut messages: mpsc::UnboundedReceiver<Message>,
    traffic: Arc<Traffic>,
) -> Result<(), TransportError> {
    while let Some(message) = messages.recv().await {
        let Ok(frames) = message.encode(&Uncompressed) else {
            // A session only makes messages within the limits.
            return Ok(());
        };
        for frame in frames {
            let length = frame.len();
            send.write(frame).await?;
            traffic.count_sent(length);
        }
    }
    send.finish();
    send.delivered().await
}

async fn read_messages(mut recv: RecvHalf, arrivals: mpsc::Sender<Arrival>, traffic: Arc<Traffic>) {
    let mut decoder = StreamDecoder::default();
    loop {
        let arrival = match recv.read().await {
            Ok(Some(bytes)) => {
                traffic.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                match decoder.take(&bytes) {
                    Ok(messages) => {
                        for message in messages {
                            if arrivals.send(Arrival::Message(Box::new(message))).await.is_err() {
                                return;
                            }
                        }
                        continue;
                    }
                    Err(error) => Arrival::Unreadable(error),
                }
            }
            Ok(None) => Arrival::End(None),
            Err(error) => Arrival::End(Some(error)),
        };
        let _ = arrivals.send(arrival).await;
        return;
    }
}

#[derive(Default)]
struct StreamDecoder {
    frames: FrameDecoder,
    messages: MessageDecoder,
}

impl StreamDecoder {
    fn take(&mut self, bytes: &Bytes) -> Result<Vec<Message>, DeltaError> {
        self.frames.receive(bytes);
        let mut messages = Vec::new();
        while let Some(frame) = self.frames.poll_frame()? {
            messages.extend(self.messages.receive(frame, CODECS)?);
        }
        Ok(messages)
    }
}

/// The codecs that this node reads.
pub(crate) const CODECS: &[&dyn Codec] = &[&Uncompressed];

/// Messages that are decoded ahead of the session.
const ARRIVALS: usize = 4;

/// How long the last messages may take.
const FAREWELL: Duration = Duration::from_secs(5);
