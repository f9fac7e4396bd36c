//! Batches to frames and back: 10 to 10,000 vectors of 384 dimensions, in batches of 256 KiB.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};

use vectr_benches::{BenchError, Embeddings, Peer, batches};
use vectr_delta::{Batch, FrameDecoder, Message, MessageDecoder, Uncompressed};

fn main() -> Result<(), BenchError> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(20)
        .configure_from_args();
    let (embeddings, peer) = (Embeddings::load()?, Peer::new()?);
    let mut group = criterion.benchmark_group("wire");
    for count in [10, 100, 1_000, 10_000] {
        let messages: Vec<Message> =
            batches(&embeddings, &peer, count)?.into_iter().map(Message::Batch).collect();
        let frames: Vec<Bytes> = messages.iter().flat_map(encode).collect();
        assert_eq!(decode(&frames), count, "all that was encoded is decoded");
        group.throughput(Throughput::Elements(count as u64));
        group.bench_with_input(BenchmarkId::new("encode", count), &messages, |bencher, messages| {
            bencher.iter(|| black_box(messages).iter().for_each(|message| drop(black_box(encode(message)))));
        });
        group.bench_with_input(BenchmarkId::new("decode", count), &frames, |bencher, frames| {
            bencher.iter(|| decode(black_box(frames)));
        });
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}

fn encode(message: &Message) -> Vec<Bytes> {
    message.encode(&Uncompressed).expect("a batch of 256 KiB is within every limit")
}

/// Fed as packets bring it; returns the number of rows.
fn decode(frames: &[Bytes]) -> usize {
    let (mut stream, mut messages) = (FrameDecoder::default(), MessageDecoder::default());
    let mut rows = 0;
    for packet in frames.iter().flat_map(|frame| frame.chunks(PACKET)) {
        stream.receive(packet);
        while let Some(frame) = stream.poll_frame().expect("frames are as they were sealed") {
            let message =
                messages.receive(frame, &[&Uncompressed]).expect("batches are as they were encoded");
            if let Some(Message::Batch(Batch { rows: decoded, .. })) = message {
                rows += black_box(decoded).len();
            }
        }
    }
    rows
}

const PACKET: usize = 1_400;
