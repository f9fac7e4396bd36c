use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::BenchError;

/// Moves the WAL into the file in the background, so that no commit pays for it and the WAL stays bounded.
pub(super) struct Checkpointer {
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    written: usize,
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Self, BenchError> {
        let connection = Connection::open(path)?;
        let (wake, woken) = channel();
        let thread = std::thread::spawn(move || run(&connection, &woken));
        Ok(Self { wake: Some(wake), thread: Some(thread), written: 0 })
    }

    pub(super) fn note_written(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= DUE
            && let Some(wake) = &self.wake
        {
            self.written = 0;
            // Without the thread the WAL grows, and nothing else.
            let _ = wake.send(());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        // One that fails is made up for by the next.
        let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()));
    }
}

/// 1,000 pages of 16 KiB.
const DUE: usize = 1_000 * 16 * 1024;
