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
        writer.connection.aside(|connection| {
            let sql = "UPDATE shard SET last_sync_at = ?2 WHERE id = ?1";
            let mut statement = connection.sqlite.prepare_cached(sql)?;
            statement.execute((shard.as_str(), integer(at.as_micros())))?;
            Ok(())
        })
    })
}

/// Remembers what a peer holds of a shard that exists, in place of what was known before. The 256 peers recorded last
/// are kept.
///
/// # Errors
/// `ERR_STORAGE`, `ERR_BUSY`, `ERR_CLOSED`.
pub fn record_peer(db: &VectrDB, shard: &ShardId, standing: PeerProgress) -> Result<(), CoreError> {
    let (shard, at) = (shard.clone(), db.now());
    db.call(JobKind::Autocommit, move |writer| {
        writer.connection.aside(|connection| note_peer(connection, &shard, &standing, at))
    })
}

/// Stores what a peer holds of a shard.
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
    let noted = peer_notes::write(&connection.sqlite, key, progress, &held, known, at)?;
    let forgotten = peer_notes::forget_peers(&connection.sqlite, stored.n)?;
    connection.notes.keep(key, noted);
    for peer in forgotten {
        connection.notes.take(peer);
    }
    Ok(())
}
