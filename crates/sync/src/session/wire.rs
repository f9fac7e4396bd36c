use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use vectr_delta::{Codec, DeltaError, FrameDecoder, Message, MessageDecoder, Uncompressed};
use vectr_transport::{PeerStream, RecvHalf, SendHalf, TransportError};

/// Messages over one stream. A separate task encodes and writes, so that reading never waits for writing.
pub(crate) struct Wire {
    outbound: mpsc::UnboundedSender<Message>,
    writing: JoinHandle<Result<(), TransportError>>,
    recv: RecvHalf,
    decoder: StreamDecoder,
    traffic: Arc<Traffic>,
}

/// Input from the peer.
pub(crate) enum Arrival {
    Message(Box<Message>),
    Unreadable(DeltaError),
    /// End of the stream, with an error if it broke.
    End(Option<TransportError>),
}

/// Bytes of frames of one stream.
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
        let traffic = Arc::new(Traffic::default());
        let writing = tokio::spawn(write_messages(stream.send, messages, Arc::clone(&traffic)));
        Self { outbound, writing, recv: stream.recv, decoder: StreamDecoder::default(), traffic }
    }

    /// Queues a message. The peer's window bounds what the session sends.
    pub(crate) fn send(&self, message: Message) {
        // If the writer is gone, the next read reports the end of the stream.
        let _ = self.outbound.send(message);
    }

    /// The next message, if it was read already.
    pub(crate) fn poll(&mut self) -> Option<Arrival> {
        match self.decoder.poll_message() {
            Ok(Some(message)) => Some(Arrival::Message(Box::new(message))),
            Ok(None) => None,
            Err(error) => Some(Arrival::Unreadable(error)),
        }
    }

    /// The next message or the end. Cancel-safe.
    pub(crate) async fn receive(&mut self) -> Arrival {
        loop {
            if let Some(arrival) = self.poll() {
                return arrival;
            }
            match self.recv.read().await {
                Ok(Some(bytes)) => {
                    self.traffic.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    self.decoder.frames.receive(&bytes);
                }
                Ok(None) => return Arrival::End(None),
                Err(error) => return Arrival::End(Some(error)),
            }
        }
    }

    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Ends the stream. A background task keeps sending until the peer has all of it or `FLUSH_TIMEOUT` has passed;
    /// the handle is that task.
    pub(crate) fn finish(self) -> JoinHandle<()> {
        let Self { outbound, writing, recv, .. } = self;
        drop(outbound);
        tokio::spawn(async move {
            let abort = writing.abort_handle();
            if tokio::time::timeout(FLUSH_TIMEOUT, writing).await.is_err() {
                abort.abort();
            }
            drop(recv);
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
            // A session only produces messages within the limits.
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

#[derive(Default)]
struct StreamDecoder {
    frames: FrameDecoder,
    messages: MessageDecoder,
}

impl StreamDecoder {
    fn poll_message(&mut self) -> Result<Option<Message>, DeltaError> {
        while let Some(frame) = self.frames.poll_frame()? {
            if let Some(message) = self.messages.receive(frame, CODECS)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}

/// The codecs that this node supports.
pub(crate) const CODECS: &[&dyn Codec] = &[&Uncompressed];

/// How long the last messages of a stream may take to reach the peer.
pub(crate) const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
