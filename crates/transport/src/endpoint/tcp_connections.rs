use std::sync::{Mutex, PoisonError};

use crate::protocol::CloseCode;
use crate::tcp::{TcpConnection, WeakTcpConnection};

/// A group of TCP connections that are closed together.
pub(crate) struct TcpConnections(Mutex<Option<Vec<WeakTcpConnection>>>);

impl Default for TcpConnections {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl TcpConnections {
    /// Adds a connection. If the group is closed, closes the connection and returns false.
    pub(crate) fn add(&self, connection: &TcpConnection) -> bool {
        let mut connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(connections) = connections.as_mut() else {
            connection.close(CloseCode::Done as u32, b"closed");
            return false;
        };
        connections.retain(|connection| connection.upgrade().is_some());
        connections.push(connection.downgrade());
        true
    }

    /// Closes all connections for good. Returns those whose peers have to be notified.
    pub(crate) fn close(&self) -> Vec<TcpConnection> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let live: Vec<_> =
            taken.into_iter().flatten().filter_map(|connection| connection.upgrade()).collect();
        for connection in &live {
            connection.close(CloseCode::Done as u32, b"closed");
        }
        live
    }
}
