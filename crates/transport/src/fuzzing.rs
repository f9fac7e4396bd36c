//! What the fuzz targets reach of this crate: decoders of bytes that a peer sends. Only they are built with it.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use vectr_delta::{Frame, FrameDecoder};

use crate::Message;
use crate::messages::assembly::{Assembly, Fault};
use crate::messages::frames::{FrameKind, frames};
use crate::tcp::Record;

/// The records of a control stream that arrives in pieces of `step` bytes, each encoded again, and the kind of the one at
/// which it is refused.
#[must_use]
pub fn control_records(bytes: &[u8], step: usize) -> (Vec<Bytes>, Option<u8>) {
    let (mut buffer, mut records) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(step) {
        buffer.extend_from_slice(piece);
        loop {
            match Record::take(&mut buffer) {
                Ok(Some(record)) => records.push(record.encode()),
                Ok(None) => break,
                Err(kind) => return (records, Some(kind)),
            }
        }
    }
    (records, None)
}

/// What a stream of messages holds.
#[derive(Debug)]
pub struct ReadMessages {
    /// Those that arrived.
    pub messages: Vec<ReadMessage>,
    /// The code that the stream is broken off with.
    pub fault: Option<u32>,
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadMessage {
    /// Its number on the stream.
    pub number: u64,
    /// Whether the sender waits for an answer.
    pub wants_answer: bool,
    /// The message.
    pub message: Message,
}

impl ReadMessage {
    /// The frames in which it is sent.
    #[must_use]
    pub fn frames(&self) -> Vec<Bytes> {
        let sent = frames(FrameKind::Message, self.number, self.wants_answer, self.message.clone());
        sent.map_or_else(|_| Vec::new(), Iterator::collect)
    }
}

/// Reads frames behind the one that opens a stream, as the receiver does.
#[must_use]
pub fn read_messages(stream: &[Bytes]) -> ReadMessages {
    let (mut decoder, mut assembly) = (FrameDecoder::default(), Assembly::default());
    let mut read = ReadMessages { messages: Vec::new(), fault: None };
    for bytes in stream {
        decoder.receive(bytes);
        while read.fault.is_none() {
            let Ok(Some(frame)) = decoder.poll_frame() else { break };
            match take(&mut assembly, frame) {
                Ok(message) => read.messages.extend(message),
                Err(fault) => read.fault = Some(fault.code()),
            }
        }
    }
    read
}

fn take(assembly: &mut Assembly, frame: Frame) -> Result<Option<ReadMessage>, Fault> {
    if FrameKind::of(&frame) != Some(FrameKind::Message) {
        return Err("a frame of another kind".into());
    }
    let Some(whole) = assembly.push(frame)? else { return Ok(None) };
    let mut decoding = pin!(whole.decode("stream"));
    // Only a message from 1 MiB on is decoded elsewhere.
    let Poll::Ready(decoded) = decoding.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        return Ok(None);
    };
    let assembled = decoded?;
    let (number, wants_answer) = (assembled.number, assembled.wants_answer);
    Ok(Some(ReadMessage { number, wants_answer, message: assembled.message }))
}
