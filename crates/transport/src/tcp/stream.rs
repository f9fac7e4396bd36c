use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Response};
use quinn::{ReadError, StoppedError, VarInt, WriteError};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::connection::{Fate, Shared};
use super::recv_buffer::{Arrival, Arrivals};
use crate::protocol::STREAM_ABANDONED;

/// The sending half of a stream.
pub(crate) struct TcpSend {
    id: u32,
    stream: SendStream<Bytes>,
    fate: watch::Receiver<Fate>,
    shared: Arc<Shared>,
    /// Counts the stream among those that the peer has open.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

impl TcpSend {
    pub(super) fn new(stream: SendStream<Bytes>, shared: &Arc<Shared>) -> Self {
        let id = stream.stream_id().as_u32();
        let fate = shared.follow(id);
        Self { id, stream, fate, shared: Arc::clone(shared), place: None }
    }

    /// Hands over bytes, and waits while the peer or the network is behind.
    pub(crate) async fn write_chunk(&mut self, mut bytes: Bytes) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let wanted = bytes.len();
            let (stream, fate) = (&mut self.stream, &mut self.fate);
            let room = poll_fn(|context| {
                stream.reserve_capacity(wanted);
                match stream.capacity() {
                    0 => stream.poll_capacity(context),
                    room => Poll::Ready(Some(Ok(room))),
                }
            });
            let room = tokio::select! {
                biased;
                code = stopped(fate) => return Err(WriteError::Stopped(code)),
                room = room => room,
            };
            let written = match room {
                Some(Ok(room)) => self.stream.send_data(bytes.split_to(room.min(wanted)), false).is_ok(),
                Some(Err(_)) | None => false,
            };
            if !written {
                return Err(self.end().await);
            }
        }
        Ok(())
    }

    /// Says that nothing follows.
    pub(crate) fn finish(&mut self) {
        // On its way to the end of the connection nothing shall arrive before the word of it.
        if self.shared.ended_yet().is_none() {
            self.finish_at_last();
        }
    }

    /// Says that nothing follows, also where the connection has been closed.
    pub(super) fn finish_at_last(&mut self) {
        // An error means that the stream is over already.
        let _ = self.stream.send_data(Bytes::new(), true);
    }

    /// Breaks this direction off, behind what was written.
    pub(crate) fn reset(&mut self, code: u32) {
        // As in `finish`.
        if self.shared.ended_yet().is_some() {
            return;
        }
        let mut trailers = HeaderMap::new();
        trailers.insert(RESET, HeaderValue::from(code));
        // An error means that the stream is over already.
        let _ = self.stream.send_trailers(trailers);
    }

    /// Waits until every byte has arrived, or the peer wants no more.
    pub(crate) async fn stopped(&mut self) -> Result<Option<VarInt>, StoppedError> {
        let decided = self.fate.wait_for(|fate| fate.arrived || fate.stopped.is_some());
        tokio::select! {
            biased;
            Ok(fate) = decided => Ok(fate.stopped.filter(|_| !fate.arrived).map(VarInt::from_u32)),
            error = self.shared.ended() => Err(StoppedError::ConnectionLost(error)),
        }
    }

    /// Why nothing can be written any more.
    async fn end(&mut self) -> WriteError {
        if self.shared.ended_yet().is_none() && self.is_closed() {
            return WriteError::ClosedStream;
        }
        WriteError::ConnectionLost(self.shared.broken().await)
    }

    /// Whether this side has ended the stream.
    fn is_closed(&mut self) -> bool {
        self.stream.send_data(Bytes::new(), false).is_err()
    }
}

impl Drop for TcpSend {
    fn drop(&mut self) {
        self.shared.forget(self.id);
    }
}

/// The code with which the peer wants no more bytes; waits for ever where it does.
async fn stopped(fate: &mut watch::Receiver<Fate>) -> VarInt {
    match fate.wait_for(|fate| fate.stopped.is_some()).await.map(|fate| fate.stopped) {
        Ok(Some(code)) => VarInt::from_u32(code),
        _ => std::future::pending().await,
    }
}

/// The receiving half of a stream.
pub(crate) struct TcpRecv {
    id: u32,
    arrivals: Arc<Arrivals>,
    shared: Arc<Shared>,
    stopped: bool,
}

impl TcpRecv {
    pub(super) fn new(recv: RecvStream, send: &TcpSend) -> Self {
        let made = Self::of(send);
        tokio::spawn(pump(recv, Arc::clone(&made.arrivals), Arc::clone(&send.shared)));
        made
    }

    /// Of a stream that the peer has not answered yet.
    pub(super) fn of_response(response: ResponseFuture, send: &TcpSend) -> Self {
        let made = Self::of(send);
        let (arrivals, shared) = (Arc::clone(&made.arrivals), Arc::clone(&send.shared));
        tokio::spawn(async move {
            match response.await {
                Ok(response) => pump(response.into_body(), arrivals, shared).await,
                Err(_) => arrivals.lose(),
            }
        });
        made
    }

    fn of(send: &TcpSend) -> Self {
        Self { id: send.id, arrivals: Arrivals::new(), shared: Arc::clone(&send.shared), stopped: false }
    }

    /// The next bytes, never empty; `None` at the end. Safe to cancel.
    pub(crate) async fn read_chunk(&mut self) -> Result<Option<Bytes>, ReadError> {
        if self.stopped {
            return Err(ReadError::ClosedStream);
        }
        match self.arrivals.next().await {
            Some(Arrival::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Arrival::Reset(code)) => Err(ReadError::Reset(code)),
            Some(Arrival::Lost) => Err(ReadError::ConnectionLost(self.shared.broken().await)),
            None => Ok(None),
        }
    }

    /// As many pieces as there are, at least one; `None` at the end. Safe to cancel.
    pub(crate) async fn read_chunks(&mut self, chunks: &mut [Bytes]) -> Result<Option<usize>, ReadError> {
        let Some((first, others)) = chunks.split_first_mut() else { return Ok(Some(0)) };
        let Some(bytes) = self.read_chunk().await? else { return Ok(None) };
        *first = bytes;
        let mut count = 1;
        for place in others {
            let Some(bytes) = self.arrivals.poll() else { break };
            *place = bytes;
            count += 1;
        }
        Ok(Some(count))
    }

    /// Wants no more bytes, and forgets those that came.
    pub(crate) fn stop(&mut self, code: u32) {
        if self.arrivals.refuse() && !self.stopped {
            self.shared.tell_stopped(self.id, code);
        }
        self.stopped = true;
    }
}

impl Drop for TcpRecv {
    fn drop(&mut self) {
        self.stop(STREAM_ABANDONED);
    }
}

/// Answers a stream that the client has opened.
pub(super) fn pair(
    recv: RecvStream,
    mut respond: SendResponse<Bytes>,
    shared: &Arc<Shared>,
) -> Option<(TcpSend, TcpRecv)> {
    let send = TcpSend::new(respond.send_response(Response::new(()), false).ok()?, shared);
    let recv = TcpRecv::new(recv, &send);
    Some((send, recv))
}

/// Takes what comes as soon as it comes, so that the end of a stream is noticed when it arrives. It goes on where nobody
/// reads any more: to drop the stream early would break off the other direction too.
async fn pump(mut recv: RecvStream, arrivals: Arc<Arrivals>, shared: Arc<Shared>) {
    arrivals.controlled_by(recv.flow_control().clone());
    loop {
        match recv.data().await {
            Some(Ok(bytes)) if bytes.is_empty() => {}
            Some(Ok(bytes)) => arrivals.push(bytes),
            Some(Err(_)) => return arrivals.lose(),
            None => break,
        }
    }
    match recv.trailers().await {
        Ok(Some(trailers)) => arrivals.reset(code_of(&trailers)),
        Ok(None) => {
            shared.tell_arrived(recv.stream_id().as_u32());
            arrivals.finish();
        }
        Err(_) => arrivals.lose(),
    }
}

/// The code with which a direction was broken off.
fn code_of(trailers: &HeaderMap) -> VarInt {
    let code = trailers.get(RESET).and_then(|code| code.to_str().ok()?.parse().ok());
    VarInt::from_u32(code.unwrap_or(STREAM_ABANDONED))
}

/// In the trailers of a direction that is broken off: the code.
const RESET: &str = "vectr-reset";
