use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use vectr_delta::FrameDecoder;

use crate::TransportError;
use crate::connection::Connection;
use crate::connection::stream::{PeerStream, RecvHalf, SendHalf};
use crate::limits::MESSAGE_ARRAYS;
use crate::messages::message::Message;
use crate::messages::send::in_flight::InFlight;
use crate::messages::send::outbound::{Outbound, Queued};
use crate::messages::wire::assembly::{Assembly, Fault};
use crate::messages::wire::frames::{FrameKind, frames, opening};
use crate::protocol::{STREAM_ABANDONED, STREAM_KIND_UNKNOWN, STREAM_LIMIT, STREAM_MALFORMED};

/// The sending end of one stream of messages.
pub(crate) struct OutboundStream {
    send: SendHalf,
    in_flight: Arc<InFlight>,
    next: u64,
}

impl OutboundStream {
    /// Starts to use a new stream.
    pub(crate) async fn open(stream: PeerStream, name: &str) -> Result<Self, TransportError> {
        let PeerStream { mut send, recv, remote, .. } = stream;
        send.write(opening(name)).await?;
        let in_flight = Arc::new(InFlight::new(remote));
        tokio::spawn(read_replies(Arc::clone(&in_flight), recv, name.to_owned()));
        Ok(Self { send, in_flight, next: 0 })
    }

    /// Sends a message in full, as soon as the receiver has room. Any failure is reported to its sender. A message that
    /// is given up meanwhile breaks off the stream, once nobody waits for another one in flight on it: the receiver may
    /// never read on.
    pub(crate) async fn send(&mut self, outbound: Outbound) {
        let queued = outbound.entry.queued();
        let Some(message) = queued.begin_sending() else { return };
        self.send_queued(message, outbound, &queued).await;
        queued.end_sending();
    }

    async fn send_queued(&mut self, message: Message, outbound: Outbound, queued: &Queued) {
        let (weight, wants_answer) = (message.weight(), outbound.wants_answer());
        let number = self.next;
        let frames = match frames(FrameKind::Message, number, wants_answer, message) {
            Ok(frames) => frames,
            Err(error) => return outbound.fail(error),
        };
        let room = tokio::select! {
            room = self.in_flight.wait_for_room(weight) => room,
            () = queued.given_up() => return,
        };
        if let Err(error) = room {
            return outbound.fail(error);
        }
        if !self.in_flight.add(number, weight, outbound) {
            return;
        }
        self.next += 1;
        for frame in frames {
            let written = {
                let mut writing = pin!(self.send.write(frame));
                tokio::select! {
                    biased;
                    written = &mut writing => Some(written),
                    () = abandoned(&self.in_flight, number, queued) => None,
                }
            };
            match written {
                Some(Ok(())) => {}
                Some(Err(error)) => return self.in_flight.fail(&undelivered(error)),
                None => {
                    self.send.reset(STREAM_ABANDONED);
                    let (remote, reason) = (self.in_flight.remote(), "its message was given up".to_owned());
                    return self.in_flight.fail(&TransportError::Lost { remote, reason });
                }
            }
        }
        self.in_flight.note_sent(self.next);
    }

    /// Waits until nothing has been in flight for `idle_after`, or until nothing is in flight and another stream is
    /// wanted.
    pub(crate) async fn wait_idle(&self, idle_after: Duration, stream_wanted: &mut watch::Receiver<u64>) {
        loop {
            if self.in_flight.is_settled() {
                tokio::select! {
                    () = tokio::time::sleep(idle_after) => {}
                    _ = stream_wanted.changed() => {}
                }
                if self.in_flight.is_settled() {
                    return;
                }
            }
            // A caller that gives up sends no notification.
            let _ = tokio::time::timeout(idle_after, self.in_flight.changed()).await;
        }
    }

    /// The connection that the stream belongs to.
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        self.send.connection()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.in_flight.has_failed()
    }

    /// Closes the stream. All its messages have been acknowledged.
    pub(crate) fn finish(mut self) {
        self.send.finish();
    }
}

/// Resolves once this message and all others in flight have been given up.
async fn abandoned(in_flight: &InFlight, number: u64, queued: &Queued) {
    queued.given_up().await;
    // The others would be lost with it, and a caller that gives up sends no notification.
    while !in_flight.is_alone(number) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Reads the receiver's reports until the stream ends.
async fn read_replies(in_flight: Arc<InFlight>, mut recv: RecvHalf, stream: String) {
    let (mut decoder, mut answer) = (FrameDecoder::default(), Assembly::default());
    let end = loop {
        let frame = match decoder.poll_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => match next_bytes(&in_flight, &mut recv, &mut answer).await {
                Ok(Some(bytes)) => {
                    decoder.receive(&bytes);
                    continue;
                }
                Ok(None) => {
                    let (remote, reason) = (in_flight.remote(), "the peer ended the stream".to_owned());
                    break TransportError::Lost { remote, reason };
                }
                Err(error) => break undelivered(error),
            },
            Err(error) => break refused(&in_flight, &mut recv, error.to_string().into()),
        };
        if let Err(fault) = in_flight.receive(frame, &mut answer, &stream).await {
            break refused(&in_flight, &mut recv, fault);
        }
    };
    in_flight.fail(&end);
}

/// Reads on. Does not keep a part of an answer while nothing arrives and nobody waits for it.
async fn next_bytes(
    in_flight: &InFlight,
    recv: &mut RecvHalf,
    answer: &mut Assembly,
) -> Result<Option<Bytes>, TransportError> {
    while answer.is_keeping() {
        match tokio::time::timeout(LOOK_AGAIN, recv.read()).await {
            Ok(read) => return read,
            Err(_) => in_flight.forget_unwanted(answer),
        }
    }
    recv.read().await
}

fn refused(in_flight: &InFlight, recv: &mut RecvHalf, fault: Fault) -> TransportError {
    recv.stop(fault.code());
    fault.into_error(in_flight.remote())
}

/// Maps errors of the stream to those of a message. Only the caller's limit gives a timeout; a connection that died of
/// silence is lost.
fn undelivered(error: TransportError) -> TransportError {
    match error {
        TransportError::TimedOut { remote, waited } => {
            TransportError::Lost { remote, reason: format!("it did not answer for {waited:?}") }
        }
        TransportError::BrokenOff { remote, stream_code }
            if stream_code == u64::from(STREAM_KIND_UNKNOWN) =>
        {
            TransportError::Lost { remote, reason: "it does not accept messages".to_owned() }
        }
        TransportError::BrokenOff { remote, stream_code } if stream_code == u64::from(STREAM_MALFORMED) => {
            TransportError::Protocol { remote, reason: "it rejected the messages as malformed".to_owned() }
        }
        TransportError::BrokenOff { remote, stream_code } if stream_code == u64::from(STREAM_LIMIT) => {
            TransportError::PeerLimit { remote, limit: MESSAGE_ARRAYS.to_owned() }
        }
        error => error,
    }
}

/// How often to look whether callers have given up.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
