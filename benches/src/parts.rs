use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use vectr_core::VectrDB;
use vectr_delta::{
    Batch, Fingerprint, FrameDecoder, HelloOffer, Message, MessageDecoder, NodeName, RemoteApply, ShardId,
    Uncompressed,
};
use vectr_transport::{Endpoint, EndpointConfig, Identity, Listener, Trust};

use crate::{BenchError, Embeddings, database, grouped, insert, items, shard_id, store};

/// What a sync of new vectors is made of, each part alone: in a sync most of them overlap.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// The sender's FULL commit after the vectors were inserted.
    pub barrier_before: Duration,
    /// Pages out of the sender's file.
    pub read: Duration,
    /// Batches to frames.
    pub encode: Duration,
    /// The frames over one warm stream, until the other side has answered with one byte.
    pub wire: Duration,
    /// Frames to batches.
    pub decode: Duration,
    /// Batches into the receiver's file, up to 1 MiB in a transaction.
    pub apply: Duration,
    /// The receiver's FULL commit after that.
    pub barrier_after: Duration,
}

impl Parts {
    /// Measures each once, with `count` vectors in new files in `folder`.
    ///
    /// # Errors
    /// Where a part fails.
    pub async fn measure(folder: &Path, embeddings: &Embeddings, count: usize) -> Result<Self, BenchError> {
        let shard = shard_id()?;
        let (near, far) = (database(folder, "near")?, database(folder, "far")?);
        insert(&near, items(embeddings, 0, count)?)?;
        let mut parts = Self::default();
        let started = Instant::now();
        near.await_durable(near.commit_no())?;
        parts.barrier_before = started.elapsed();

        let started = Instant::now();
        let batches = read(&near, &shard)?;
        parts.read = started.elapsed();

        let messages: Vec<Message> = batches.into_iter().map(Message::Batch).collect();
        let started = Instant::now();
        let frames = encode(&messages)?;
        parts.encode = started.elapsed();
        drop(messages);

        parts.wire = wire(&frames).await?;

        let started = Instant::now();
        let batches = decode(&frames)?;
        parts.decode = started.elapsed();

        let peer = Fingerprint::new([1; 32]);
        let hello = store::read_hello(&near, &shard, peer, offer(&near)?)?;
        store::meet(&far, &shard, &hello)?;
        far.await_durable(far.commit_no())?;
        let mut remote = Box::new(RemoteApply::new(peer, &hello, 0));
        let groups = grouped(&batches);
        let started = Instant::now();
        for group in groups {
            remote = store::apply(&far, &shard, remote, group)?;
        }
        parts.apply = started.elapsed();
        let started = Instant::now();
        far.await_durable(far.commit_no())?;
        parts.barrier_after = started.elapsed();
        if far.digest(&shard)? != near.digest(&shard)? {
            return Err("the parts did not bring all that was sent".into());
        }
        near.close()?;
        far.close()?;
        Ok(parts)
    }
}

fn read(near: &VectrDB, shard: &ShardId) -> Result<Vec<Batch>, BenchError> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut position = 0;
    loop {
        let page = store::read_page(near, shard, position)?;
        position = page.position;
        batches.push(Batch {
            nonce: 1,
            index: batches.len() as u64,
            position,
            frontier: page.frontier,
            names: page.names,
            rows: page.rows,
        });
        if page.end.is_some() {
            return Ok(batches);
        }
    }
}

fn encode(messages: &[Message]) -> Result<Vec<Bytes>, BenchError> {
    let mut frames = Vec::new();
    for message in messages {
        frames.extend(message.encode(&Uncompressed)?);
    }
    Ok(frames)
}

fn decode(frames: &[Bytes]) -> Result<Vec<Batch>, BenchError> {
    let (mut stream, mut decoder) = (FrameDecoder::default(), MessageDecoder::default());
    let mut batches = Vec::new();
    for packet in frames.iter().flat_map(|frame| frame.chunks(PACKET)) {
        stream.receive(packet);
        while let Some(frame) = stream.poll_frame()? {
            if let Some(Message::Batch(batch)) = decoder.receive(frame, &[&Uncompressed])? {
                batches.push(batch);
            }
        }
    }
    Ok(batches)
}

async fn wire(frames: &[Bytes]) -> Result<Duration, BenchError> {
    let endpoint =
        || Endpoint::new(&Identity::ephemeral()?, &Trust::this_machine(), EndpointConfig::default());
    let (near, far) = (endpoint()?, endpoint()?);
    let listener = far.listen("127.0.0.1:0").await?;
    let address = listener.local_addr().to_string();
    let sink = tokio::spawn(answer_each(listener));
    let mut took = Duration::ZERO;
    // The first time makes the connection, and lets its congestion window grow.
    for _ in 0..2 {
        let started = Instant::now();
        let mut stream = near.open(&address, None).await?;
        for frame in frames {
            stream.send.write(frame.clone()).await?;
        }
        stream.send.finish();
        stream.recv.read().await?.ok_or("no answer")?;
        took = started.elapsed();
    }
    near.close().await;
    far.close().await;
    sink.abort();
    Ok(took)
}

/// Reads each stream to its end, and answers with one byte.
async fn answer_each(listener: Listener) -> Result<(), BenchError> {
    while let Some(mut stream) = listener.accept().await {
        while stream.recv.read().await?.is_some() {}
        stream.send.write(Bytes::from_static(b"!")).await?;
        stream.send.finish();
        stream.send.delivered().await?;
    }
    Ok(())
}

fn offer(db: &VectrDB) -> Result<HelloOffer, BenchError> {
    let node = NodeName::new("near")?;
    Ok(HelloOffer { nonce: 1, codecs: vec![0], live: false, node, clock: db.now(), window: 16 })
}

const PACKET: usize = 1_400;
