-- Lists of held rows with the transaction before the one that put a row there, or refused it once more: an answer takes it off
-- only while it is the one that was asked for.
CREATE TEMP TABLE held_before AS SELECT shard, peer, changelog, id, context FROM held_row;
DROP TABLE held_row;
CREATE TABLE held_row (
  shard     INTEGER NOT NULL,
  peer      BLOB NOT NULL,                    -- SHA-256 of its certificate
  changelog TEXT NOT NULL,                    -- of the peer
  id        TEXT NOT NULL,
  context   TEXT NOT NULL,                    -- JSON, site to number: what may be missing; '{}': unknown
  revision  INTEGER NOT NULL,                 -- 0: listed by a former build
  PRIMARY KEY (shard, peer, changelog, id)
) WITHOUT ROWID;
INSERT INTO held_row (shard, peer, changelog, id, context, revision)
  SELECT shard, peer, changelog, id, context, 0 FROM held_before;
DROP TABLE held_before;

-- Shows whether a list has changed, without its contexts.
CREATE INDEX held_row_by_revision ON held_row (shard, peer, changelog, revision);
