//! What a database remembers of its syncs. No peer is told of it, so a note takes no transaction number: nobody waits
//! for it to become durable.

use vectr_delta::{PeerProgress, ShardId, Timestamp};

use crate::storage::catalog::StoredShard;
use crate::storage::rows::integer;
use crate::writer::connection::WriteConnection;
use crate::writer::peer_notes;
use crate::writer::queue::JobKind;
use crate::{CoreError, VectrDB};

/// Remembers when a shard was synced.
///
/// # Errors
/// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
pub fn record_sync(db: &VectrDB, shard: &ShardId, at: Timestamp) -> Result<(), CoreError> {
    let shard = shard.clone();
    db.call(JobKind::Autocommit, move |writer| {
        let sqlite = &writer.connection.sqlite;
        let mut statement = sqlite.prepare_cached("UPDATE shard SET last_sync_at = ?2 WHERE id = ?1")?;
        statement.execute((shard.as_str(), integer(at.as_micros())))?;
        Ok(())
    })
}

/// Remembers what a peer holds of a shard that exists, in place of what was known before. The 256 peers recorded last
/// are kept.
///
/// # Errors
/// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
pub fn record_peer(db: &VectrDB, shard: &ShardId, standing: PeerProgress) -> Result<(), CoreError> {
    let (shard, at) = (shard.clone(), db.now());
    db.call(JobKind::Autocommit, move |writer| note_peer(&mut writer.connection, &shard, &standing, at))
}

/// Stores what a peer holds of a shard, in a transaction that takes no number. Outside of transactions only.
fn note_peer(
    connection: &mut WriteConnection,
    shard: &ShardId,
    progress: &PeerProgress,
    at: Timestamp,
) -> Result<(), CoreError> {
    let Some(stored) = StoredShard::load(&connection.sqlite, &connection.versions, shard)? else {
        return Ok(());
    };
    let held = peer_notes::known_part(&progress.version_vector, &stored.state);
    let key = (stored.n, *progress.peer.as_bytes());
    let known = connection.notes.take(key);
    let transaction = connection.sqlite.unchecked_transaction()?;
    let noted = peer_notes::write(&transaction, key, progress, &held, known, at)?;
    let forgotten = peer_notes::forget_peers(&transaction, stored.n)?;
    transaction.commit()?;
    connection.notes.keep(key, noted);
    for peer in forgotten {
        connection.notes.take(peer);
    }
    Ok(())
}
