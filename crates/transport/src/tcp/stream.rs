use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use quinn::{ReadError, StoppedError, VarInt, WriteError};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::recv_buffer::{Received, RecvBuffer};
use super::state::{ConnectionState, SendStatus};
use crate::protocol::STREAM_ABANDONED;

/// The sending half of a stream.
pub(crate) struct TcpSend {
    id: u32,
    stream: SendStream<Bytes>,
    status: watch::Receiver<SendStatus>,
    state: Arc<ConnectionState>,
    /// Counts the stream against the peer's limit.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

impl TcpSend {
    pub(super) fn new(stream: SendStream<Bytes>, state: &Arc<ConnectionState>) -> Self {
        let id = stream.stream_id().as_u32();
        let status = state.track(id);
        Self { id, stream, status, state: Arc::clone(state), permit: None }
    }

    /// Writes bytes, and waits while the peer or the network is behind.
    pub(crate) async fn write_chunk(&mut self, mut bytes: Bytes) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let wanted = bytes.len();
            let (stream, status) = (&mut self.stream, &mut self.status);
            let room = poll_fn(|context| {
                stream.reserve_capacity(wanted);
                match stream.capacity() {
                    0 => stream.poll_capacity(context),
                    room => Poll::Ready(Some(Ok(room))),
                }
            });
            let room = tokio::select! {
                biased;
                code = stopped(status) => return Err(WriteError::Stopped(code)),
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

    /// Marks the end of the stream.
    pub(crate) fn finish(&mut self) {
        // While the connection is closing, nothing may reach the peer before the close record.
        if self.state.end_reason().is_none() {
            self.finish_always();
        }
    }

    /// Marks the end of the stream, even if the connection has been closed.
    pub(super) fn finish_always(&mut self) {
        // An error means that the stream has already ended.
        let _ = self.stream.send_data(Bytes::new(), true);
    }

    /// Resets this direction after what was written.
    pub(crate) fn reset(&mut self, code: u32) {
        // As in `finish`.
        if self.state.end_reason().is_some() {
            return;
        }
        let mut trailers = HeaderMap::new();
        trailers.insert(RESET_TRAILER, HeaderValue::from(code));
        // An error means that the stream has already ended.
        let _ = self.stream.send_trailers(trailers);
    }

    /// Waits until every byte has arrived, or the peer stops the stream.
    pub(crate) async fn stopped(&mut self) -> Result<Option<VarInt>, StoppedError> {
        let decided = self.status.wait_for(|status| status.arrived || status.stopped.is_some());
        tokio::select! {
            biased;
            Ok(status) = decided => Ok(status.stopped.filter(|_| !status.arrived).map(VarInt::from_u32)),
            error = self.state.ended() => Err(StoppedError::ConnectionLost(error)),
        }
    }

    /// Why writing failed.
    async fn end(&mut self) -> WriteError {
        if self.state.end_reason().is_none() && self.is_closed() {
            return WriteError::ClosedStream;
        }
        WriteError::ConnectionLost(self.state.await_end().await)
    }

    /// Whether this side has ended the stream.
    fn is_closed(&mut self) -> bool {
        self.stream.send_data(Bytes::new(), false).is_err()
    }
}

impl Drop for TcpSend {
    fn drop(&mut self) {
        self.state.untrack(self.id);
    }
}

/// The code with which the peer stops the stream; never resolves if it does not.
async fn stopped(status: &mut watch::Receiver<SendStatus>) -> VarInt {
    match status.wait_for(|status| status.stopped.is_some()).await.map(|status| status.stopped) {
        Ok(Some(code)) => VarInt::from_u32(code),
        _ => std::future::pending().await,
    }
}

/// The receiving half of a stream.
pub(crate) struct TcpRecv {
    id: u32,
    buffer: Arc<RecvBuffer>,
    state: Arc<ConnectionState>,
    stopped: bool,
}

impl TcpRecv {
    pub(super) fn new(recv: RecvStream, send: &TcpSend) -> Self {
        Self::start(recv, &send.state)
    }

    /// For a stream that this side has not answered yet.
    pub(super) fn start(recv: RecvStream, state: &Arc<ConnectionState>) -> Self {
        let made = Self::of(recv.stream_id().as_u32(), state);
        tokio::spawn(pump(recv, Arc::clone(&made.buffer), Arc::clone(state)));
        made
    }

    /// For a stream that the peer has not answered yet.
    pub(super) fn of_response(response: ResponseFuture, send: &TcpSend) -> Self {
        let made = Self::of(send.id, &send.state);
        let (buffer, state) = (Arc::clone(&made.buffer), Arc::clone(&send.state));
        tokio::spawn(async move {
            match response.await {
                Ok(response) => pump(response.into_body(), buffer, state).await,
                Err(_) => buffer.lose(),
            }
        });
        made
    }

    fn of(id: u32, state: &Arc<ConnectionState>) -> Self {
        Self { id, buffer: RecvBuffer::new(), state: Arc::clone(state), stopped: false }
    }

    /// Reads the next bytes, never empty; `None` at the end. Safe to cancel.
    pub(crate) async fn read_chunk(&mut self) -> Result<Option<Bytes>, ReadError> {
        if self.stopped {
            return Err(ReadError::ClosedStream);
        }
        match self.buffer.next().await {
            Some(Received::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Received::Reset(code)) => Err(ReadError::Reset(code)),
            Some(Received::Lost) => Err(ReadError::ConnectionLost(self.state.await_end().await)),
            None => Ok(None),
        }
    }

    /// Reads all pieces that are available, at least one; `None` at the end. Safe to cancel.
    pub(crate) async fn read_chunks(&mut self, chunks: &mut [Bytes]) -> Result<Option<usize>, ReadError> {
        let Some((first, others)) = chunks.split_first_mut() else { return Ok(Some(0)) };
        let Some(bytes) = self.read_chunk().await? else { return Ok(None) };
        *first = bytes;
        let (mut count, mut taken) = (1, first.len());
        for chunk in others {
            // What was taken counts against no window.
            let Some(bytes) = (taken < MOST_AT_ONCE).then(|| self.buffer.try_next()).flatten() else { break };
            taken += bytes.len();
            *chunk = bytes;
            count += 1;
        }
        Ok(Some(count))
    }

    /// Stops the stream and drops the bytes that were not read.
    pub(crate) fn stop(&mut self, code: u32) {
        if self.buffer.refuse() && !self.stopped {
            self.state.send_stop(self.id, code);
        }
        self.stopped = true;
    }
}

impl Drop for TcpRecv {
    fn drop(&mut self) {
        self.stop(STREAM_ABANDONED);
    }
}

/// Opens a stream; `None` if the connection has ended.
pub(super) async fn open(
    requests: &SendRequest<Bytes>,
    path: &'static str,
    state: &Arc<ConnectionState>,
) -> Option<(TcpSend, TcpRecv)> {
    let (response, send) = request(requests, path).await?;
    let send = TcpSend::new(send, state);
    let recv = TcpRecv::of_response(response, &send);
    Some((send, recv))
}

pub(super) async fn request(
    requests: &SendRequest<Bytes>,
    path: &'static str,
) -> Option<(ResponseFuture, SendStream<Bytes>)> {
    let uri = format!("https://{HOST}{path}");
    let request = Request::post(uri).body(()).expect("the address is well formed");
    requests.clone().ready().await.ok()?.send_request(request, false).ok()
}

/// Accepts a stream that the client has opened.
pub(super) fn accept(
    recv: RecvStream,
    respond: SendResponse<Bytes>,
    state: &Arc<ConnectionState>,
) -> Option<(TcpSend, TcpRecv)> {
    answer(TcpRecv::start(recv, state), respond, state)
}

/// Starts to use a stream that is already being received.
pub(super) fn answer(
    recv: TcpRecv,
    mut respond: SendResponse<Bytes>,
    state: &Arc<ConnectionState>,
) -> Option<(TcpSend, TcpRecv)> {
    let send = TcpSend::new(respond.send_response(Response::new(()), false).ok()?, state);
    Some((send, recv))
}

/// Takes bytes as they arrive, so that the end of a stream is noticed at once. Continues even if the reader has
/// stopped: dropping the HTTP/2 stream early would reset the other direction too.
async fn pump(mut recv: RecvStream, buffer: Arc<RecvBuffer>, state: Arc<ConnectionState>) {
    buffer.set_flow_control(recv.flow_control().clone());
    loop {
        match recv.data().await {
            Some(Ok(bytes)) if bytes.is_empty() => {}
            Some(Ok(bytes)) => buffer.push(bytes),
            Some(Err(_)) => return buffer.lose(),
            None => break,
        }
    }
    match recv.trailers().await {
        Ok(Some(trailers)) => buffer.reset(code_of(&trailers)),
        Ok(None) => {
            state.send_arrived(recv.stream_id().as_u32());
            buffer.finish();
        }
        Err(_) => buffer.lose(),
    }
}

/// The code with which a direction was reset.
fn code_of(trailers: &HeaderMap) -> VarInt {
    let code = trailers.get(RESET_TRAILER).and_then(|code| code.to_str().ok()?.parse().ok());
    VarInt::from_u32(code.unwrap_or(STREAM_ABANDONED))
}

/// The trailer that carries the code of a reset.
const RESET_TRAILER: &str = "vectr-reset";
/// How many bytes are taken from a stream's buffer before they are read, at most one piece more.
const MOST_AT_ONCE: usize = 256 << 10;
/// The server name that HTTP/2 requires. Peers are identified by their certificates.
const HOST: &str = "vectr";
