// Second document, "Database Schema": the changelog and the shards' metadata, by SQL and by ChangelogReader.
// Adapted: the two tables are views; the changelog has the changes that stand, with vectors as BLOBs.
import assert from 'node:assert/strict';
import { ChangelogReader, VectrDB } from '@agentic-flow/sqlite-vector';

const db = await VectrDB.open({ shardId: 'shard-1', nodeId: 'node-1' });
await db.insert([0.1, 0.2], { text: 'one' }, { id: 'a' });
await db.insert([0.3, 0.4], { text: 'two' }, { id: 'b' });
await db.delete('a');

const rows = await db.query(`
  SELECT change_id, shard_id, vector_id, operation, vector_data, metadata, timestamp, source_node, version_vector
  FROM vector_changelog WHERE shard_id = ? AND change_id > ? ORDER BY change_id`, ['shard-1', 0]);
assert.deepEqual(rows.map(({ vector_id, operation }) => [vector_id, operation]), [['b', 'insert'], ['a', 'delete']]);
console.log(await db.query('SELECT shard_id, version_vector, updated_at FROM shard_metadata'));

const reader = new ChangelogReader(db);
const changes = await reader.readChanges('shard-1', 0);
assert.deepEqual(changes.map(({ id }) => id), rows.map(({ change_id }) => change_id));
assert.equal(await reader.getLatestChangeId('shard-1'), 3);
console.log('version vector:', await reader.getVersionVector('shard-1'));
await db.close();
