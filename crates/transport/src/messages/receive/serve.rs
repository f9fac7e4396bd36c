use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use vectr_delta::FrameDecoder;

use crate::connection::Connection;
use crate::connection::stream::{PeerStream, RecvHalf, SendHalf};
use crate::messages::message::MAX_NAME;
use crate::messages::receive::inbound_queue::InboundMessage;
use crate::messages::receive::inbound_stream::{InboundStream, Outcome};
use crate::messages::receive::inbox::Inbox;
use crate::messages::stream_key::StreamKey;
use crate::messages::wire::assembly::{Assembly, Fault};
use crate::messages::wire::frames::{FrameKind, note};

/// Serves an incoming message stream: reads it to the end and reports what became of the messages.
pub(crate) async fn serve(inbox: Arc<Inbox>, stream: PeerStream, address: String) {
    let connection = Arc::clone(stream.connection());
    let PeerStream { mut send, mut recv, .. } = stream;
    let served = serve_halves(&inbox, connection, &mut send, &mut recv, address).await;
    if let Err(fault) = served {
        send.reset(fault.code());
        recv.stop(fault.code());
    }
}

async fn serve_halves(
    inbox: &Arc<Inbox>,
    connection: Arc<Connection>,
    send: &mut SendHalf,
    recv: &mut RecvHalf,
    address: String,
) -> Result<(), Fault> {
    let mut decoder = FrameDecoder::default();
    let name = read_opening(recv, &mut decoder).await?;
    let inbound = Arc::new(InboundStream::new(StreamKey { address, name }, connection));
    inbox.add(&inbound);
    let ended = {
        let mut writing = pin!(write(&inbound, inbox, send));
        let read = tokio::select! {
            read = read(&inbound, inbox, recv, &mut decoder) => read,
            () = &mut writing => Err("the sender does not read its acknowledgements".into()),
        };
        if read.is_ok() {
            inbound.end();
            writing.await;
        }
        read
    };
    let others_go_on = inbound.discard();
    inbox.remove(&inbound);
    if others_go_on {
        inbox.pump_connection(&inbound);
    }
    ended
}

async fn read_opening(recv: &mut RecvHalf, decoder: &mut FrameDecoder) -> Result<String, Fault> {
    loop {
        if let Some(frame) = decoder.poll_frame().map_err(|error| error.to_string())? {
            let name = std::str::from_utf8(&frame.body).unwrap_or_default();
            let sound = FrameKind::of(&frame) == Some(FrameKind::Open) && !frame.more;
            if !sound || name.is_empty() || name.len() > MAX_NAME {
                return Err("a stream without a name".into());
            }
            return Ok(name.to_owned());
        }
        match recv.read().await {
            Ok(Some(bytes)) => decoder.receive(&bytes),
            _ => return Err("a stream that ends before it begins".into()),
        }
    }
}

async fn read(
    inbound: &Arc<InboundStream>,
    inbox: &Arc<Inbox>,
    recv: &mut RecvHalf,
    decoder: &mut FrameDecoder,
) -> Result<(), Fault> {
    let (mut assembly, mut expected, mut room) = (Assembly::default(), 0, None);
    loop {
        while let Some(frame) = decoder.poll_frame().map_err(|error| error.to_string())? {
            if FrameKind::of(&frame) != Some(FrameKind::Message) {
                return Err(format!("a frame of kind {} from a sender", frame.kind).into());
            }
            let Some(whole) = assembly.push(frame)? else {
                if room.is_none() && assembly.under_way() > LARGE {
                    room = Some(inbound.room_for(assembly.under_way()).await?);
                }
                continue;
            };
            let assembled = whole.decode(&inbound.key.name).await?;
            if assembled.number != expected {
                return Err(format!("message {} instead of {expected}", assembled.number).into());
            }
            expected += 1;
            let (number, wants_answer) = (assembled.number, assembled.wants_answer);
            let message = assembled.message;
            inbound.push(InboundMessage { number, wants_answer, message, _large_message: room.take() });
            inbox.pump(inbound);
            inbound.wait_for_room().await?;
        }
        match recv.read().await {
            Ok(Some(bytes)) => decoder.receive(&bytes),
            Ok(None) if assembly.under_way() == 0 && !decoder.is_mid_frame() => return Ok(()),
            Ok(None) => return Err("a stream that ends in the middle of a message".into()),
            Err(error) => return Err(error.to_string().into()),
        }
    }
}

/// Reports acknowledgements and outcomes until there are no more.
async fn write(inbound: &Arc<InboundStream>, inbox: &Arc<Inbox>, send: &mut SendHalf) {
    loop {
        let (taken, outcome, done) = inbound.next_work();
        if taken.is_none() && outcome.is_none() {
            if done {
                send.finish();
                return;
            }
            if !inbound.wait_for_work().await {
                return;
            }
            continue;
        }
        let weight = outcome.as_ref().map(Outcome::weight);
        if write_report(send, inbound.patience(), taken, outcome).await.is_err() {
            return;
        }
        match weight.map(|weight| inbound.outcome_written(weight)) {
            Some(true) => inbox.pump_connection(inbound),
            Some(false) => inbox.pump(inbound),
            None => {}
        }
    }
}

/// Fails if the sender does not read one of its parts within `patience`.
async fn write_report(
    send: &mut SendHalf,
    patience: Duration,
    taken: Option<u64>,
    outcome: Option<Outcome>,
) -> Result<(), Fault> {
    let mut write = async |bytes| match tokio::time::timeout(patience, send.write(bytes)).await {
        Ok(written) => written.map_err(|error| Fault::from(error.to_string())),
        Err(_) => Err("a report that the sender does not read".into()),
    };
    // Both usually fit into one packet.
    let mut bytes = taken.map_or_else(Bytes::new, |count| note(FrameKind::Taken, count, ""));
    for frame in outcome.into_iter().flat_map(Outcome::into_frames) {
        if bytes.is_empty() {
            write(frame).await?;
        } else {
            write([bytes, frame].concat().into()).await?;
            bytes = Bytes::new();
        }
    }
    if bytes.is_empty() { Ok(()) } else { write(bytes).await }
}

/// A larger message needs a permit for large messages.
const LARGE: usize = 1 << 20;
