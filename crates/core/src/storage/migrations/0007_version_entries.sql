-- Version vectors are kept by entries. Those that changed last stand as JSON in the row of their owner, at most 32 of
-- them after its next change; all others stand here. Of two entries of one site the greater counts.
CREATE TABLE IF NOT EXISTS version_entry (
  part  INTEGER NOT NULL,                     -- of a shard: 1 version vector, 2 received beyond it, 3 frontier; 4 of a peer
  owner INTEGER NOT NULL,                     -- shard.n, or peer_number.n
  site  BLOB NOT NULL,                        -- 8 bytes, the greatest first
  seq   INTEGER NOT NULL,
  PRIMARY KEY (part, owner, site)
) WITHOUT ROWID;

-- What the entries of a peer's version vector are stored under.
CREATE TABLE IF NOT EXISTS peer_number (
  n     INTEGER PRIMARY KEY,
  shard INTEGER NOT NULL,
  peer  BLOB NOT NULL,                        -- SHA-256 of its certificate
  UNIQUE (shard, peer)
);

DROP VIEW IF EXISTS shard_metadata;
CREATE VIEW shard_metadata (shard_id, version_vector, updated_at) AS
SELECT
  shard.id,
  (
    SELECT json_group_object(coalesce(known.name || '@', '') || entry.site, entry.seq)
    FROM (
      SELECT site, max(seq) AS seq
      FROM (
        SELECT lower(hex(site)) AS site, seq FROM version_entry WHERE part = 1 AND owner = shard.n
        UNION ALL
        SELECT key, value FROM json_each(shard.version_vector)
      )
      GROUP BY site
    ) AS entry
    LEFT JOIN site AS known ON known.site = entry.site
  ),
  shard.updated_at
FROM shard;
