//! The bytes of a stream that have arrived and were not read yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use h2::FlowControl;
use quinn::VarInt;
use tokio::sync::Notify;

/// What is read from a stream. The end of the queue is the end of the stream.
pub(super) enum Received {
    Bytes(Bytes),
    /// The direction was reset with this code.
    Reset(VarInt),
    /// The connection has ended, or is about to.
    Lost,
}

/// Buffers bytes as they arrive. They count against the peer's window until they are read.
pub(super) struct RecvBuffer {
    state: Mutex<State>,
    ready: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Piece>,
    end: Option<End>,
    /// The reader has stopped.
    refused: bool,
    flow: Option<FlowControl>,
}

enum Piece {
    /// A piece as it arrived.
    Long(Bytes),
    /// Several short pieces, merged: kept apart they would take more memory than their bytes.
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

    /// Sets the flow control through which read bytes are released.
    pub(super) fn set_flow_control(&self, flow: FlowControl) {
        self.state().flow = Some(flow);
    }

    /// Buffers what has arrived, or releases it if the reader has stopped.
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

    /// Marks the end of the stream. Only the first end counts.
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

    /// Waits for what comes next; `None` at the end. For one reader. Safe to cancel.
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

    /// The next bytes, if any have arrived.
    pub(super) fn try_next(&self) -> Option<Bytes> {
        self.state().take()
    }

    /// Releases everything that has arrived or will arrive. Returns whether the end is still to come.
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
            // An error means that the stream has ended, so the window no longer matters.
            let _ = flow.release_capacity(length);
        }
    }
}

/// Pieces shorter than this are merged.
const MIN_PIECE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn short_pieces_are_merged_and_nothing_is_lost_before_the_end() {
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
    async fn unwanted_bytes_are_released() {
        let buffer = RecvBuffer::new();
        buffer.push(Bytes::from_static(b"some"));
        assert!(buffer.refuse(), "the end had not come");
        buffer.push(Bytes::from_static(b"more"));
        assert!(buffer.try_next().is_none());
        buffer.finish();
        assert!(!buffer.refuse() && buffer.next().await.is_none());
    }
}
