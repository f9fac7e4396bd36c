use crate::{Alteration, CommitNo, Fingerprint, HeldRow, Hello, NodeName, ShardRead, Timestamp};

/// What a session puts into its [`Hello`] besides the shard's state.
#[derive(Clone, Debug)]
pub struct HelloOffer {
    /// Random and unpredictable, new for each session.
    pub nonce: u64,
    /// The numbers of the codecs that this node can read.
    pub codecs: Vec<u8>,
    /// Whether to keep the session open for later commits.
    pub live: bool,
    /// The node's name, used if the database has none yet.
    pub node: NodeName,
    /// The node's wall clock.
    pub clock: Timestamp,
    /// The most unacknowledged batches that this node accepts.
    pub window: u16,
}

/// A [`Hello`] of this node, and what was read with it in one transaction.
#[derive(Clone, Debug)]
pub struct LocalHello {
    /// The Hello.
    pub hello: Hello,
    /// The rows of the peer on the list of held rows, of the changelog that the Hello's cursor names.
    pub held: Vec<HeldRow>,
    /// The transaction.
    pub commit_no: CommitNo,
}

/// Reads a shard's state into a [`Hello`].
///
/// # Errors
/// If the storage fails.
pub fn read_hello<R: ShardRead + ?Sized>(
    shard: &R,
    peer: &Fingerprint,
    offer: &HelloOffer,
) -> Result<LocalHello, R::Error> {
    let (origin, state) = (shard.origin(), shard.state());
    let mut codecs = offer.codecs.clone();
    codecs.extend([Hello::REPAIRS, Hello::LISTS]);
    let cursor = shard.cursor(peer)?;
    let held = match cursor {
        Some(cursor) => shard.held_rows(peer, cursor.changelog)?,
        None => Vec::new(),
    };
    if !held.is_empty() {
        codecs.push(Hello::HOLDS);
    }
    if shard.alteration()? == Alteration::Present {
        codecs.push(Hello::ALTERED);
    }
    let hello = Hello {
        nonce: offer.nonce,
        protocol: (Hello::PROTOCOL, Hello::PROTOCOL),
        codecs,
        shard: shard.shard().clone(),
        live: offer.live,
        node: origin.node.clone().unwrap_or_else(|| offer.node.clone()),
        site: origin.site,
        changelog: origin.changelog,
        descriptor: state.descriptor.clone(),
        strategy: state.strategy,
        version_vector: state.version_vector.clone(),
        frontier: state.frontier.clone(),
        cursor,
        digest: state.digest,
        tight: state.is_tight(),
        clock: offer.clock,
        window: offer.window,
    };
    Ok(LocalHello { hello, held, commit_no: shard.commit_no() })
}
