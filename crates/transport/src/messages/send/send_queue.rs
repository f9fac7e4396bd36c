use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::TransportError;
use crate::messages::message::Message;
use crate::messages::messenger::Shared;
use crate::messages::pending_answer::PendingAnswer;
use crate::messages::receive::inbox::StreamKey;
use crate::messages::send::outbound_stream::OutboundStream;

/// A message on its way, and who waits to hear of it.
pub(crate) struct Outbound {
    pub(crate) message: Message,
    pub(crate) reply: ReplyTo,
    /// Counts the message among those on their way.
    pub(crate) _counted: ByteCount,
}

/// Who waits for what.
pub(crate) enum ReplyTo {
    /// For the acknowledgement.
    Sender(oneshot::Sender<Result<(), TransportError>>),
    /// For the answer.
    Requester(Arc<PendingAnswer>),
}

/// Bytes on their way, for as long as this lives.
pub(crate) struct ByteCount {
    total: Arc<AtomicUsize>,
    bytes: usize,
}

impl Outbound {
    pub(crate) fn fail(self, error: TransportError) {
        // Who no longer waits need not know.
        match self.reply {
            ReplyTo::Sender(sender) => drop(sender.send(Err(error))),
            ReplyTo::Requester(answer) => drop(answer.settle(Err(error))),
        }
    }

    pub(crate) const fn wants_answer(&self) -> bool {
        matches!(self.reply, ReplyTo::Requester(_))
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.reply {
            ReplyTo::Sender(sender) => sender.is_closed(),
            ReplyTo::Requester(answer) => answer.is_closed(),
        }
    }
}

impl ByteCount {
    pub(crate) fn new(total: &Arc<AtomicUsize>, bytes: usize) -> Self {
        total.fetch_add(bytes, Ordering::Relaxed);
        Self { total: Arc::clone(total), bytes }
    }
}

impl Drop for ByteCount {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Sends the letters for one address and stream in their order, over one stream at a time: the next one is opened only
/// when all messages of the last one are acknowledged or reported as failed.
pub(crate) async fn run(shared: Arc<Shared>, key: StreamKey, mut queue: mpsc::UnboundedReceiver<Outbound>) {
    let mut stream_wanted = shared.stream_wanted();
    let mut open: Option<OutboundStream> = None;
    loop {
        let outbound = match &open {
            Some(stream) => tokio::select! {
                outbound = queue.recv() => outbound,
                () = stream.wait_idle(shared.config.idle_after, &mut stream_wanted) => {
                    if let Some(stream) = open.take().filter(|stream| !stream.has_failed()) {
                        stream.finish();
                    }
                    continue;
                }
            },
            None => match tokio::time::timeout(shared.config.idle_after, queue.recv()).await {
                Ok(outbound) => outbound,
                Err(_) if shared.remove_idle_queue(&key, &queue) => return,
                Err(_) => continue,
            },
        };
        let Some(outbound) = outbound else { return };
        // Its sender gave up in time.
        if outbound.is_closed() {
            continue;
        }
        open = open.filter(|stream| !stream.has_failed());
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => match open_stream(&shared, &key).await {
                Ok(stream) => stream,
                Err(error) => {
                    outbound.fail(error.clone());
                    // Each would try in vain, one after the other.
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

async fn open_stream(shared: &Shared, key: &StreamKey) -> Result<OutboundStream, TransportError> {
    OutboundStream::open(shared.open(key).await?, &key.name).await
}
