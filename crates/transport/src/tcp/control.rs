//! The control stream of a connection, and its keep-alive.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use h2::{Ping, PingPong};
use quinn::{ApplicationClose, ConnectionError, VarInt};
use tokio::sync::mpsc;

use super::record::Record;
use super::state::ConnectionState;
use super::stream::{TcpRecv, TcpSend};
use crate::limits::keep_alive_interval;

/// Starts the tasks that write and read the records on the control stream.
pub(super) fn start_control(
    state: &Arc<ConnectionState>,
    send: TcpSend,
    recv: TcpRecv,
    records: mpsc::UnboundedReceiver<Record>,
) {
    let (writing, reading) = (Arc::clone(state), Arc::clone(state));
    tokio::spawn(async move { write(send, records, &writing).await });
    tokio::spawn(async move { read(recv, &reading).await });
}

/// Writes records as they come. Ends with the connection, or after a close record.
async fn write(mut send: TcpSend, mut records: mpsc::UnboundedReceiver<Record>, state: &ConnectionState) {
    loop {
        let record = tokio::select! {
            biased;
            record = records.recv() => record,
            // A close record is queued before the end is visible.
            _ = state.ended() => records.try_recv().ok(),
        };
        let Some(record) = record else { return };
        if send.write_chunk(record.encode()).await.is_err() {
            return;
        }
        if matches!(record, Record::Close(..)) {
            send.finish_always();
            return;
        }
        state.count_written();
    }
}

/// Reads and applies the peer's records.
async fn read(mut recv: TcpRecv, state: &ConnectionState) {
    let mut bytes = BytesMut::new();
    while let Ok(Some(chunk)) = recv.read_chunk().await {
        bytes.extend_from_slice(&chunk);
        loop {
            match Record::take(&mut bytes) {
                Ok(None) => break,
                Ok(Some(Record::Arrived(stream))) => state.mark_arrived(stream),
                Ok(Some(Record::Stop(stream, code))) => state.mark_stopped(stream, code),
                Ok(Some(Record::Close(code, reason))) => {
                    let error_code = VarInt::from_u32(code);
                    let close = ApplicationClose { error_code, reason };
                    return state.end(ConnectionError::ApplicationClosed(close));
                }
                Err(_) => return state.end(ConnectionError::VersionMismatch),
            }
        }
    }
}

/// Pings the peer regularly, and ends the connection if it does not answer.
pub(super) async fn keep_alive(state: Arc<ConnectionState>, mut pings: PingPong, idle_timeout: Duration) {
    loop {
        tokio::select! {
            _ = state.ended() => return,
            () = tokio::time::sleep(keep_alive_interval(idle_timeout)) => {}
        }
        match tokio::time::timeout(idle_timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            // The task that drives the connection reports how it ended.
            Ok(Err(_)) => return,
            Err(_) => return state.end(ConnectionError::TimedOut),
        }
    }
}
