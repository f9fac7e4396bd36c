use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use vectr_delta::{
    Codec, DeltaError, FrameDecoder, Message, MessageDecoder, Uncompressed, Undecoded, VectorRow,
};
use vectr_transport::{PeerStream, RecvHalf, SendHalf, TransportError};

use crate::limits::arrivals::Arriving;
use crate::limits::bounds::{LARGE_MESSAGE, MIN_PART};
use crate::limits::receive_budget::{ReceiveAccount, Turn};
use crate::limits::send_budget::SendAccount;

/// Messages over one stream. A separate task encodes and writes, so that reading never waits for writing.
pub(crate) struct Wire {
    outbound: mpsc::UnboundedSender<Outbound>,
    writing: JoinHandle<Result<(), TransportError>>,
    recv: RecvHalf,
    decoder: StreamDecoder,
    /// A large message that has arrived.
    large: Option<Large>,
    arriving: Arriving,
    /// What was read since [`Self::receive`] last returned something.
    unreported: usize,
    traffic: Arc<Traffic>,
    account: Arc<SendAccount>,
    received: ReceiveAccount,
    /// Packs what is sent: one that the peer reads, by its Hello.
    codec: &'static dyn Codec,
}

/// A message on its way, and how its rows are packed.
struct Outbound {
    message: Message,
    codec: &'static dyn Codec,
    /// About how many bytes it takes, and how many of them were charged for it.
    weight: u64,
    charged: u64,
}

/// Input from the peer.
pub(crate) enum Arrival {
    Message(Box<Message>),
    /// A part of a message, of [`MIN_PART`] bytes or more, or a large one, which the next [`Wire::receive`] decodes.
    Part,
    Unreadable(DeltaError),
    /// A large message that the node has no room for.
    NoRoom,
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
    /// `codecs`: those that this node's Hello names. `account`: counts what is sent until it is written. `arriving`: counts
    /// what has arrived until it is unpacked. `received`: counts what was unpacked until it is applied.
    pub(crate) fn new(
        stream: PeerStream,
        codecs: &'static [&'static dyn Codec],
        account: Arc<SendAccount>,
        arriving: Arriving,
        received: ReceiveAccount,
    ) -> Self {
        let (outbound, messages) = mpsc::unbounded_channel();
        let traffic = Arc::new(Traffic::default());
        let writing =
            tokio::spawn(write_messages(stream.send, messages, Arc::clone(&traffic), Arc::clone(&account)));
        let decoder =
            StreamDecoder { codecs, frames: FrameDecoder::default(), messages: MessageDecoder::of_session() };
        Self {
            outbound,
            writing,
            recv: stream.recv,
            decoder,
            large: None,
            arriving,
            unreported: 0,
            traffic,
            account,
            received,
            codec: &Uncompressed,
        }
    }

    /// Queues a message. Whoever sends waits for [`SendAccount::room`] before, unless it is the last one.
    pub(crate) fn send(&self, message: Message) {
        let weight = message.weight() as u64;
        // Rows were charged when they were read.
        let charged = match weight_of(message.rows()) {
            0 => weight,
            rows => rows,
        };
        if message.rows().is_empty() {
            self.account.charge(charged);
        }
        self.account.enqueue(weight);
        // If the writer is gone, the next read reports the end of the stream.
        let _ = self.outbound.send(Outbound { message, codec: self.codec, weight, charged });
    }

    pub(crate) fn account(&self) -> Arc<SendAccount> {
        Arc::clone(&self.account)
    }

    /// What has arrived and is not applied.
    pub(crate) const fn received(&self) -> &ReceiveAccount {
        &self.received
    }

    /// Whether a large message has arrived that is not decoded.
    pub(crate) const fn has_large(&self) -> bool {
        self.large.is_some()
    }

    /// Whether it waits for its turn, or is being decoded. [`Self::receive`] has to go on, or it keeps the turn.
    pub(crate) const fn is_decoding(&self) -> bool {
        matches!(self.large, Some(Large::Decodes(_)))
    }

    /// Whether a part of a message was told of, and the rest is to come.
    pub(crate) fn is_mid_message(&self) -> bool {
        self.large.is_none() && self.decoder.held_bytes() >= MIN_PART
    }

    /// Whether that is a large one, which has to come at a rate: see [`Self::is_too_slow`].
    pub(crate) const fn is_large_arriving(&self) -> bool {
        self.large.is_none() && self.arriving.is_large()
    }

    /// Whether a large message comes more slowly than others can wait for. `reads`: whether this node reads on.
    pub(crate) fn is_too_slow(&mut self, patience: Duration, reads: bool) -> bool {
        if !reads || self.large.is_some() {
            self.arriving.excuse();
        }
        self.arriving.is_too_slow(patience)
    }

    /// Whether writing has failed. Nothing is read while a large message waits, so that reading does not tell.
    pub(crate) fn is_broken(&self) -> bool {
        self.writing.is_finished()
    }

    /// The next message, if it was read already and is not large.
    pub(crate) fn poll(&mut self) -> Option<Arrival> {
        if self.large.is_some() {
            return None;
        }
        let assembled = self.decoder.assemble();
        let packed = match &assembled {
            Ok(Some(message)) => message.packed_bytes(),
            _ => 0,
        };
        if !self.arriving.note((self.decoder.held_bytes() + packed) as u64) {
            return Some(Arrival::NoRoom);
        }
        match assembled {
            Ok(Some(message)) if message.unpacked_bytes() > LARGE_MESSAGE => {
                self.large = Some(Large::Waits(message));
                None
            }
            Ok(Some(message)) => Some(self.arrival(message.decode(self.decoder.codecs))),
            Ok(None) => None,
            Err(error) => Some(Arrival::Unreadable(error)),
        }
    }

    /// The next message, a part of it, or the end. Cancel-safe.
    pub(crate) async fn receive(&mut self) -> Arrival {
        let arrival = self.next_arrival().await;
        self.unreported = 0;
        arrival
    }

    async fn next_arrival(&mut self) -> Arrival {
        loop {
            match self.large.take() {
                Some(Large::Waits(message)) => {
                    let decoding = decode_apart(message, self.decoder.codecs, &self.received);
                    self.large = Some(Large::Decodes(decoding));
                }
                decodes => self.large = decodes,
            }
            if let Some(Large::Decodes(decoding)) = &mut self.large {
                let (turn, decoded) = decoding.await;
                self.large = None;
                self.received.keep_turn(turn);
                // Less is never refused.
                self.arriving.note(self.decoder.held_bytes() as u64);
                return self.arrival(decoded);
            }
            if let Some(arrival) = self.poll() {
                return arrival;
            }
            if self.large.is_some() {
                return Arrival::Part;
            }
            if self.unreported >= MIN_PART {
                return Arrival::Part;
            }
            match self.recv.read().await {
                Ok(Some(bytes)) => {
                    self.traffic.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    self.unreported += bytes.len();
                    self.decoder.frames.receive(&bytes);
                }
                Ok(None) => return Arrival::End(None),
                Err(error) => return Arrival::End(Some(error)),
            }
        }
    }

    fn arrival(&mut self, decoded: Result<Message, DeltaError>) -> Arrival {
        match decoded {
            Ok(message) => {
                self.decoder.messages.note_decoded(&message);
                if let Some(hello) = message.hello() {
                    self.codec = self.decoder.best_codec(&hello.codecs);
                }
                Arrival::Message(Box::new(message))
            }
            Err(error) => Arrival::Unreadable(error),
        }
    }

    pub(crate) fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Ends the stream. A background task keeps sending until the peer has all of it or `FLUSH_TIMEOUT` has passed;
    /// the handle is that task. The account counts what the storage is still applying.
    pub(crate) fn finish(self) -> (JoinHandle<()>, ReceiveAccount) {
        let Self { outbound, writing, recv, received, .. } = self;
        drop(outbound);
        let flushed = tokio::spawn(async move {
            let abort = writing.abort_handle();
            if tokio::time::timeout(FLUSH_TIMEOUT, writing).await.is_err() {
                abort.abort();
            }
            drop(recv);
        });
        (flushed, received)
    }
}

async fn write_messages(
    mut send: SendHalf,
    mut messages: mpsc::UnboundedReceiver<Outbound>,
    traffic: Arc<Traffic>,
    account: Arc<SendAccount>,
) -> Result<(), TransportError> {
    while let Some(Outbound { message, codec, weight, charged }) = messages.recv().await {
        let Ok(frames) = message.encode(codec) else {
            // A session only produces messages within the limits.
            return Ok(());
        };
        for frame in frames {
            let length = frame.len();
            send.write(frame).await?;
            traffic.count_sent(length);
            account.note_progress();
        }
        account.dequeue(weight, charged);
    }
    send.finish();
    send.delivered().await
}

/// What rows that were read for a peer are charged with until they are written.
pub(crate) fn weight_of(rows: &[VectorRow]) -> u64 {
    rows.iter().map(VectorRow::weight).sum::<usize>() as u64
}

struct StreamDecoder {
    codecs: &'static [&'static dyn Codec],
    frames: FrameDecoder,
    messages: MessageDecoder,
}

enum Large {
    Waits(Undecoded),
    Decodes(Decoding),
}

/// The message's turn, and the message.
type Decoding = Pin<Box<dyn Future<Output = (Option<Turn>, Result<Message, DeltaError>)> + Send>>;

/// Decodes on a thread that may be busy for long, once it is the message's turn.
fn decode_apart(
    message: Undecoded,
    codecs: &'static [&'static dyn Codec],
    received: &ReceiveAccount,
) -> Decoding {
    let turn = received.wait_for_turn(message.has_rows());
    Box::pin(async move {
        let turn = turn.await;
        // The turn goes along: whoever drops this does not stop the thread.
        match tokio::task::spawn_blocking(move || (turn, message.decode(codecs))).await {
            Ok(decoded) => decoded,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down.
                Err(_) => std::future::pending().await,
            },
        }
    })
}

impl StreamDecoder {
    fn assemble(&mut self) -> Result<Option<Undecoded>, DeltaError> {
        while let Some(frame) = self.frames.poll_frame()? {
            if let Some(message) = self.messages.assemble(frame)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// What has arrived of messages that are not whole.
    fn held_bytes(&self) -> usize {
        self.frames.held_bytes() + self.messages.held_bytes()
    }

    /// The last of this node's codecs that the peer reads too.
    fn best_codec(&self, of_peer: &[u8]) -> &'static dyn Codec {
        let common = self.codecs.iter().rev().find(|codec| of_peer.contains(&codec.id()));
        common.copied().unwrap_or(&Uncompressed)
    }
}

/// How long the last messages of a stream may take to reach the peer.
pub(crate) const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
