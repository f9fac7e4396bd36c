//! What has arrived of a stream and has not been read.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use h2::FlowControl;
use quinn::VarInt;
use tokio::sync::Notify;

/// What is taken off a stream. The end of the queue is the end of the stream.
pub(super) enum Received {
    Bytes(Bytes),
    /// The direction was broken off, with this code.
    Reset(VarInt),
    /// The connection is over, or soon will be.
    Lost,
}

/// Takes what comes as it comes; the room that the peer has shrinks by it until it is read.
pub(super) struct RecvBuffer {
    state: Mutex<State>,
    ready: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Piece>,
    end: Option<End>,
    /// Nobody reads any more.
    refused: bool,
    flow: Option<FlowControl>,
}

enum Piece {
    /// As it came.
    Long(Bytes),
    /// Several short ones: each of its own would take more memory than its bytes.
    Short(BytesMut),
}

#[derive(Clone, Copy)]
enum End {
    Finished,
    Reset(VarInt),
    Lost,
}

impl RecvBuffer {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), ready: Notify::new() })
    }

    /// Where the room for what is read is given back.
    pub(super) fn set_flow_control(&self, flow: FlowControl) {
        self.state().flow = Some(flow);
    }

    /// Takes in what has come, or lets go of it where nobody wants it.
    pub(super) fn push(&self, bytes: Bytes) {
        let mut state = self.state();
        if state.refused {
            state.release(bytes.len());
            return;
        }
        match state.waiting.back_mut() {
            _ if bytes.len() >= MIN_PIECE => state.waiting.push_back(Piece::Long(bytes)),
            Some(Piece::Short(last)) if last.len() < MIN_PIECE => last.extend_from_slice(&bytes),
            _ => state.waiting.push_back(Piece::Short(BytesMut::from(&bytes[..]))),
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Nothing more will come. Only the first end counts.
    pub(super) fn finish(&self) {
        self.end(End::Finished);
    }

    pub(super) fn reset(&self, code: VarInt) {
        self.end(End::Reset(code));
    }

    pub(super) fn lose(&self) {
        self.end(End::Lost);
    }

    fn end(&self, end: End) {
        self.state().end.get_or_insert(end);
        self.ready.notify_one();
    }

    /// What is next, once it is there; `None` at the end. For one reader. Safe to cancel.
    pub(super) async fn next(&self) -> Option<Received> {
        loop {
            let ready = self.ready.notified();
            {
                let mut state = self.state();
                if let Some(bytes) = state.take() {
                    return Some(Received::Bytes(bytes));
                }
                match state.end {
                    Some(End::Finished) => return None,
                    Some(End::Reset(code)) => return Some(Received::Reset(code)),
                    Some(End::Lost) => return Some(Received::Lost),
                    None => {}
                }
            }
            ready.await;
        }
    }

    /// The next bytes, where they are there.
    pub(super) fn try_next(&self) -> Option<Bytes> {
        self.state().take()
    }

    /// Lets go of what has come and of all that will. Tells whether the end had not come yet.
    pub(super) fn refuse(&self) -> bool {
        let mut state = self.state();
        state.refused = true;
        while state.take().is_some() {}
        state.end.is_none()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> Option<Bytes> {
        let bytes = match self.waiting.pop_front()? {
            Piece::Long(bytes) => bytes,
            Piece::Short(bytes) => bytes.freeze(),
        };
        self.release(bytes.len());
        Some(bytes)
    }

    fn release(&mut self, length: usize) {
        if let Some(flow) = &mut self.flow {
            // An error means that the stream is over: nobody waits for the room.
            let _ = flow.release_capacity(length);
        }
    }
}

/// Below this many bytes pieces are put together.
const MIN_PIECE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn short_pieces_are_put_together_and_nothing_is_lost_before_the_end() {
        let buffer = RecvBuffer::new();
        let mut sent = Vec::new();
        for number in 0..5_000_u32 {
            let piece = vec![number as u8; if number % 1000 == 999 { 3000 } else { 1 }];
            sent.extend_from_slice(&piece);
            buffer.push(piece.into());
        }
        buffer.reset(VarInt::from_u32(7));
        buffer.finish();
        let (mut pieces, mut read) = (0, Vec::new());
        while let Some(Received::Bytes(bytes)) = buffer.next().await {
            pieces += 1;
            read.extend_from_slice(&bytes);
        }
        assert!(read == sent && pieces <= 15, "{pieces} pieces");
        assert!(matches!(buffer.next().await, Some(Received::Reset(code)) if code == VarInt::from_u32(7)));
    }

    #[tokio::test]
    async fn what_nobody_wants_is_let_go_of() {
        let buffer = RecvBuffer::new();
        buffer.push(Bytes::from_static(b"some"));
        assert!(buffer.refuse(), "the end had not come");
        buffer.push(Bytes::from_static(b"more"));
        assert!(buffer.try_next().is_none());
        buffer.finish();
        assert!(!buffer.refuse() && buffer.next().await.is_none());
    }
}
