use std::collections::BTreeMap;

use vectr_delta::{
    Batch, ChangelogId, Descriptor, Digest, Dot, Fingerprint, Hello, Metadata, NodeName, PageSize, Payload,
    RemoteApply, Row, ShardId, ShardVersion, Sibling, SiteId, Strategy, Timestamp, VectorId, VectorRow,
    VersionVector,
};

use crate::{BenchError, Embeddings};

/// What every benchmark calls vector `index`.
///
/// # Errors
/// None for the ids made here.
pub fn vector_id(index: usize) -> Result<VectorId, BenchError> {
    Ok(VectorId::new(&format!("phrase-{index:08}"))?)
}

/// Vector `index` as some other node wrote it, with a little metadata.
///
/// # Errors
/// Where the embeddings are not finite.
pub fn row(embeddings: &Embeddings, site: SiteId, index: usize) -> Result<VectorRow, BenchError> {
    let metadata = Metadata::new(&format!(r#"{{"line":{index},"lang":"en"}}"#))?;
    let payload = Payload::new(embeddings.vector(index), Some(metadata))?;
    let dot = Dot { site, seq: index as u64 + 1 };
    let sibling = Sibling::put(dot, WRITTEN, false, payload);
    Ok(VectorRow { id: vector_id(index)?, row: Row::of_write(sibling, VersionVector::new()) })
}

/// The rows of one vector that two nodes wrote without knowing of each other, at the same time, both with metadata.
///
/// # Errors
/// As [`row`].
pub fn conflict(embeddings: &Embeddings, index: usize) -> Result<(Row, Row), BenchError> {
    let ours = row(embeddings, SiteId::new(1), index)?;
    let theirs = row(embeddings, SiteId::new(2), index + 6_000)?;
    Ok((ours.row, theirs.row))
}

/// Rows `0..count` of another node in batches of about 256 KiB, as an engine sends them.
///
/// # Errors
/// As [`row`].
pub fn batches(embeddings: &Embeddings, peer: &Peer, count: usize) -> Result<Vec<Batch>, BenchError> {
    let rows = (0..count).map(|index| row(embeddings, peer.site, index));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let size = PageSize::default().bytes.div_ceil(rows.first().map_or(1, weight));
    let names = BTreeMap::from([(peer.site, peer.node.clone())]);
    let batch = |(index, rows): (usize, &[VectorRow])| Batch {
        nonce: 1,
        index: index as u64,
        position: (index * size + rows.len()) as u64,
        frontier: VersionVector::new(),
        names: names.clone(),
        rows: rows.to_vec(),
    };
    Ok(rows.chunks(size).enumerate().map(batch).collect())
}

/// Batches as a session applies them when they have piled up: about 1 MiB in each transaction.
#[must_use]
pub fn grouped(batches: &[Batch]) -> Vec<Vec<Batch>> {
    batches.chunks(4).map(<[Batch]>::to_vec).collect()
}

/// A node that nobody runs, to receive from.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Numbers its changes.
    pub site: SiteId,
    /// Its name.
    pub node: NodeName,
    fingerprint: Fingerprint,
}

impl Peer {
    /// The same one each time.
    ///
    /// # Errors
    /// None for the name given here.
    pub fn new() -> Result<Self, BenchError> {
        let node = NodeName::new("benchmark-peer")?;
        Ok(Self { site: SiteId::new(0xb0b), node, fingerprint: Fingerprint::new([7; 32]) })
    }

    /// What it says of itself.
    #[must_use]
    pub fn hello(&self, shard: &ShardId) -> Hello {
        Hello {
            nonce: 2,
            protocol: (Hello::PROTOCOL, Hello::PROTOCOL),
            codecs: vec![0],
            shard: shard.clone(),
            live: false,
            node: self.node.clone(),
            site: self.site,
            changelog: ChangelogId::new(9),
            descriptor: Descriptor::default(),
            strategy: Strategy::default(),
            version_vector: ShardVersion::new(),
            frontier: VersionVector::new(),
            cursor: None,
            digest: Digest::default(),
            tight: true,
            clock: WRITTEN,
            window: 16,
        }
    }

    /// The receiving half of a first session with it.
    #[must_use]
    pub fn remote(&self, shard: &ShardId) -> Box<RemoteApply> {
        Box::new(RemoteApply::new(self.fingerprint, &self.hello(shard), 0))
    }
}

fn weight(entry: &VectorRow) -> usize {
    let vectors =
        entry.row.siblings().iter().filter_map(Sibling::payload).map(|payload| payload.vector().len());
    entry.id.len() + 48 + vectors.sum::<usize>()
}

/// 2025-01-01: never ahead of anyone's clock.
const WRITTEN: Timestamp = Timestamp::from_micros(1_735_689_600_000_000);
