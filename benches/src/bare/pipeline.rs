use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn::{RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::piece;
use super::receiver::{Inserter, receive};
use super::shard::{BareReader, BareShard};
use super::wire::Loopback;
use crate::{BenchError, Embeddings, vector_id};

/// Two files, and one stream between them that stays open for all runs.
pub struct BarePipeline {
    writer: Arc<Mutex<BareShard>>,
    reader: Arc<Mutex<BareReader>>,
    far_side: BareReader,
    position: i64,
    data: SendStream,
    answer: RecvStream,
    _wire: Loopback,
}

impl BarePipeline {
    /// Two empty files in `folder`, connected.
    ///
    /// # Errors
    /// Where a file or a socket cannot be made.
    pub async fn open(folder: &Path) -> Result<Self, BenchError> {
        let [near, far] = ["bare-sender.db", "bare-receiver.db"].map(|name| folder.join(name));
        let wire = Loopback::connect().await?;
        let (mut data, mut answer) = wire.client.open_bi().await?;
        // A stream exists for the other side from its first byte on.
        data.write_all(piece::END).await?;
        let writer = BareShard::open(&near)?;
        let inserter = Inserter::start(BareShard::open(&far)?);
        let (answers, arrivals) = wire.server.accept_bi().await?;
        tokio::spawn(receive(arrivals, answers, inserter));
        answer.read_exact(&mut [0]).await?;
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            reader: Arc::new(Mutex::new(BareReader::open(&near)?)),
            far_side: BareReader::open(&far)?,
            position: 0,
            data,
            answer,
            _wire: wire,
        })
    }

    /// Inserts the vectors `first..first + count` at the sender, 1,000 in each transaction.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn insert(&self, embeddings: &Embeddings, first: usize, count: usize) -> Result<(), BenchError> {
        let rows = (first..first + count).map(|index| Ok((vector_id(index)?, embeddings.vector(index))));
        let rows = rows.collect::<Result<Vec<_>, BenchError>>()?;
        let mut writer = self.writer.lock().map_err(|_| POISONED)?;
        for chunk in rows.chunks(1_000) {
            writer.insert(chunk.iter().map(|(id, vector)| (id.as_str(), vector.as_ref())))?;
        }
        Ok(())
    }

    /// Brings what was inserted since the last run to the other file; the time it took until the sender knew that it
    /// is safe there.
    ///
    /// # Errors
    /// Where a file or the stream fails.
    pub async fn run(&mut self) -> Result<Duration, BenchError> {
        let started = Instant::now();
        let (pieces, mut ready) = mpsc::channel(AHEAD);
        let (reader, after) = (Arc::clone(&self.reader), self.position);
        let reading = spawn_blocking(move || read_ahead(&reader, after, &pieces));
        let writer = Arc::clone(&self.writer);
        spawn_blocking(move || writer.lock().map_err(|_| POISONED)?.barrier()).await??;
        while let Some(piece) = ready.recv().await {
            self.data.write_chunk(piece).await?;
        }
        self.position = reading.await??;
        self.data.write_all(piece::END).await?;
        self.answer.read_exact(&mut [0]).await?;
        Ok(started.elapsed())
    }

    /// Rows in the other file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn received(&self) -> Result<i64, BenchError> {
        self.far_side.count()
    }
}

fn read_ahead(
    reader: &Mutex<BareReader>,
    mut position: i64,
    pieces: &mpsc::Sender<Bytes>,
) -> Result<i64, BenchError> {
    let reader = reader.lock().map_err(|_| POISONED)?;
    while let Some((last, piece)) = reader.piece(position)? {
        position = last;
        pieces.blocking_send(piece)?;
    }
    Ok(position)
}

/// Pieces read before they can be sent: the window of an engine.
const AHEAD: usize = 16;
const POISONED: &str = "another thread failed";
