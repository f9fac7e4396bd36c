use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use vectr_delta::FrameDecoder;

use crate::TransportError;
use crate::connection::stream::{PeerStream, RecvHalf, SendHalf};
use crate::messages::send::in_flight::InFlight;
use crate::messages::send::outbound::Outbound;
use crate::messages::wire::assembly::Assembly;
use crate::messages::wire::frames::{FrameKind, frames, opening};
use crate::protocol::{STREAM_KIND_UNKNOWN, STREAM_MALFORMED};

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

    /// Sends a message in full, as soon as the receiver has room. Any failure is reported to its sender.
    pub(crate) async fn send(&mut self, mut outbound: Outbound) {
        let message = std::mem::take(&mut outbound.message);
        let (weight, wants_answer) = (message.weight(), outbound.wants_answer());
        let number = self.next;
        let frames = match frames(FrameKind::Message, number, wants_answer, message) {
            Ok(frames) => frames,
            Err(error) => return outbound.fail(error),
        };
        if let Err(error) = self.in_flight.wait_for_room(weight).await {
            return outbound.fail(error);
        }
        if !self.in_flight.add(number, weight, outbound) {
            return;
        }
        self.next += 1;
        for frame in frames {
            if let Err(error) = self.send.write(frame).await {
                return self.in_flight.fail(&undelivered(error));
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

    pub(crate) fn has_failed(&self) -> bool {
        self.in_flight.has_failed()
    }

    /// Closes the stream. All its messages have been acknowledged.
    pub(crate) fn finish(mut self) {
        self.send.finish();
    }
}

/// Reads the receiver's reports until the stream ends.
async fn read_replies(in_flight: Arc<InFlight>, mut recv: RecvHalf, stream: String) {
    let (mut decoder, mut answer) = (FrameDecoder::default(), Assembly::default());
    let end = loop {
        let frame = match decoder.poll_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => match recv.read().await {
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
            Err(error) => break malformed(&in_flight, &mut recv, error.to_string()),
        };
        if let Err(reason) = in_flight.receive(frame, &mut answer, &stream) {
            break malformed(&in_flight, &mut recv, reason);
        }
    };
    in_flight.fail(&end);
}

fn malformed(in_flight: &InFlight, recv: &mut RecvHalf, reason: String) -> TransportError {
    recv.stop(STREAM_MALFORMED);
    TransportError::Protocol { remote: in_flight.remote(), reason }
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
        error => error,
    }
}
