use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::TransportError;
use crate::messages::answer::Answer;
use crate::messages::message::Message;
use crate::messages::messenger::Shared;
use crate::messages::receive::inbox::Key;
use crate::messages::send::outbound_stream::Outgoing;

/// A message on its way, and who waits to hear of it.
pub(crate) struct Letter {
    pub(crate) message: Message,
    pub(crate) reply: ReplyTo,
    /// Counts the message among those on their way.
    pub(crate) _counted: Counted,
}

/// Who waits for what.
pub(crate) enum ReplyTo {
    /// For the acknowledgement.
    Sender(oneshot::Sender<Result<(), TransportError>>),
    /// For the answer.
    Requester(Arc<Answer>),
}

/// Bytes on their way, for as long as this lives.
pub(crate) struct Counted {
    total: Arc<AtomicUsize>,
    bytes: usize,
}

impl Letter {
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

impl Counted {
    pub(crate) fn new(total: &Arc<AtomicUsize>, bytes: usize) -> Self {
        total.fetch_add(bytes, Ordering::Relaxed);
        Self { total: Arc::clone(total), bytes }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Sends the letters for one address and stream in their order, over one stream at a time: the next one is opened only
/// when all messages of the last one are acknowledged or reported as failed.
pub(crate) async fn run(shared: Arc<Shared>, key: Key, mut letters: mpsc::UnboundedReceiver<Letter>) {
    let mut asked = shared.asked();
    let mut open: Option<Outgoing> = None;
    loop {
        let letter = match &open {
            Some(stream) => tokio::select! {
                letter = letters.recv() => letter,
                () = stream.idle(shared.config.idle_after, &mut asked) => {
                    if let Some(stream) = open.take().filter(|stream| !stream.has_failed()) {
                        stream.finish();
                    }
                    continue;
                }
            },
            None => match tokio::time::timeout(shared.config.idle_after, letters.recv()).await {
                Ok(letter) => letter,
                Err(_) if shared.dismiss(&key, &letters) => return,
                Err(_) => continue,
            },
        };
        let Some(letter) = letter else { return };
        // Its sender gave up in time.
        if letter.is_closed() {
            continue;
        }
        open = open.filter(|stream| !stream.has_failed());
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => match begin(&shared, &key).await {
                Ok(stream) => stream,
                Err(error) => {
                    letter.fail(error.clone());
                    // Each would try in vain, one after the other.
                    while let Ok(letter) = letters.try_recv() {
                        letter.fail(error.clone());
                    }
                    continue;
                }
            },
        };
        stream.post(letter).await;
        open = Some(stream);
    }
}

async fn begin(shared: &Shared, key: &Key) -> Result<Outgoing, TransportError> {
    Outgoing::begin(shared.open(key).await?, &key.stream).await
}
