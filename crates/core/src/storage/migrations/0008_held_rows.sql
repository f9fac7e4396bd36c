-- Rows of peers that were not taken in although the cursor has passed them: each session asks for them again. At most 1,024
-- of a shard and peer.
CREATE TABLE IF NOT EXISTS held_row (
  shard     INTEGER NOT NULL,
  peer      BLOB NOT NULL,                    -- SHA-256 of its certificate
  changelog TEXT NOT NULL,                    -- of the peer
  id        TEXT NOT NULL,
  context   TEXT NOT NULL,                    -- JSON, site to number: what may be missing; '{}': unknown
  PRIMARY KEY (shard, peer, changelog, id)
) WITHOUT ROWID;
