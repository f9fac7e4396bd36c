use bytes::{Bytes, BytesMut};
use quinn::{RecvStream, SendStream};
use tokio::sync::{mpsc, oneshot};

use super::piece;
use super::shard::BareShard;
use crate::BenchError;

/// The thread that writes the receiver's file: one transaction a piece, while the next piece travels.
pub(super) struct Inserter(mpsc::Sender<Work>);

enum Work {
    Insert(Bytes),
    Barrier(oneshot::Sender<()>),
}

impl Inserter {
    pub(super) fn start(mut shard: BareShard) -> Self {
        let (sender, mut work) = mpsc::channel(QUEUE);
        std::thread::spawn(move || -> Result<(), BenchError> {
            while let Some(work) = work.blocking_recv() {
                match work {
                    Work::Insert(piece) => shard.insert_piece(&piece)?,
                    Work::Barrier(done) => {
                        shard.barrier()?;
                        // A run that was given up needs no answer.
                        let _ = done.send(());
                    }
                }
            }
            Ok(())
        });
        Self(sender)
    }
}

/// Takes pieces in until the stream ends; answers each end of a run with one byte, once all before it is safe.
pub(super) async fn receive(
    mut arrivals: RecvStream,
    mut answers: SendStream,
    inserter: Inserter,
) -> Result<(), BenchError> {
    let mut arrived = BytesMut::new();
    let mut chunks = [const { Bytes::new() }; CHUNKS];
    while let Some(count) = arrivals.read_chunks(&mut chunks).await? {
        for chunk in &chunks[..count] {
            arrived.extend_from_slice(chunk);
        }
        while let Some(piece) = piece::take(&mut arrived) {
            if !piece.is_empty() {
                inserter.0.send(Work::Insert(piece)).await?;
                continue;
            }
            let (done, safe) = oneshot::channel();
            inserter.0.send(Work::Barrier(done)).await?;
            safe.await?;
            answers.write_all(b"!").await?;
        }
    }
    Ok(())
}

const QUEUE: usize = 16;
const CHUNKS: usize = 64;
