-- Who this database is, and every number that must never be given out twice. One row.
CREATE TABLE counter (
  one             INTEGER PRIMARY KEY CHECK (one = 1),
  site            TEXT NOT NULL,              -- 16 hexadecimal digits; '' before the first opening
  changelog       TEXT NOT NULL,              -- 16 hexadecimal digits
  token           TEXT,                       -- of the last opening that wrote; the proof of continuity names it
  node            TEXT,                       -- what people call the node
  shard           TEXT NOT NULL,              -- the default shard
  last_stamp      INTEGER NOT NULL DEFAULT 0, -- microseconds: the newest stamp of a local write
  change_id       INTEGER NOT NULL DEFAULT 0, -- the last one given out
  commit_no       INTEGER NOT NULL DEFAULT 0, -- write transactions so far
  last_applied_at INTEGER NOT NULL DEFAULT 0, -- microseconds: the newest row.applied_at
  barriers        INTEGER NOT NULL DEFAULT 0  -- a barrier has to change a page
);

-- Sites are 64-bit random numbers; rows hold the small number.
CREATE TABLE site (
  n    INTEGER PRIMARY KEY,
  site TEXT NOT NULL UNIQUE,                  -- 16 hexadecimal digits
  name TEXT,                                  -- of its node
  own  INTEGER NOT NULL DEFAULT 0             -- 1: a life of this database, former or present
);

CREATE TABLE shard (
  n              INTEGER PRIMARY KEY,
  id             TEXT NOT NULL UNIQUE,
  dimensions     INTEGER,
  element        INTEGER NOT NULL DEFAULT 1,
  epoch          INTEGER NOT NULL DEFAULT 0,
  owner          TEXT,                        -- a site
  members        TEXT NOT NULL DEFAULT '[]',  -- JSON list of sites
  strategy       INTEGER NOT NULL DEFAULT 1,
  version_vector TEXT NOT NULL DEFAULT '{}',  -- JSON, site to number
  received       TEXT NOT NULL DEFAULT '{}',
  frontier       TEXT NOT NULL DEFAULT '{}',
  digest         BLOB NOT NULL,               -- 40 bytes
  last_sync_at   INTEGER NOT NULL DEFAULT 0,
  updated_at     INTEGER NOT NULL DEFAULT 0
);

-- One row a vector, its first version inline. Numbers come first, so that a look at a dot reads no payload page.
CREATE TABLE row (
  n          INTEGER PRIMARY KEY,
  shard      INTEGER NOT NULL,
  change_id  INTEGER NOT NULL,
  versions   INTEGER NOT NULL,                -- how many stand, this one included
  site       INTEGER NOT NULL,
  seq        INTEGER NOT NULL,
  timestamp  INTEGER NOT NULL,
  operation  INTEGER NOT NULL,                -- 1 insert, 2 update, 3 delete
  applied_at INTEGER NOT NULL,
  id         TEXT NOT NULL,
  context    TEXT,                            -- JSON, site.n to number; NULL: the only version's own dot
  hash       BLOB,                            -- of the payload as it was written; NULL for a tombstone
  metadata   TEXT,
  vector     BLOB                             -- little-endian f32
);
CREATE UNIQUE INDEX row_id ON row (shard, id);
-- This index is the changelog.
CREATE UNIQUE INDEX row_change ON row (shard, change_id);
CREATE INDEX row_concurrent ON row (shard) WHERE versions > 1;

-- The second and later of several concurrent versions.
CREATE TABLE sibling (
  row       INTEGER NOT NULL,
  site      INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  operation INTEGER NOT NULL,
  hash      BLOB,
  metadata  TEXT,
  vector    BLOB
);
CREATE UNIQUE INDEX sibling_dot ON sibling (row, site, seq);

-- How far the changelogs of peers have been read.
CREATE TABLE cursor (
  shard     INTEGER NOT NULL,
  peer      BLOB NOT NULL,                    -- SHA-256 of its certificate
  changelog TEXT NOT NULL,
  position  INTEGER NOT NULL,
  PRIMARY KEY (shard, peer)
);

CREATE VIEW vector_changelog (
  change_id, shard_id, vector_id, operation, vector_data, metadata, timestamp, source_node, version_vector
) AS
WITH version (n, site, seq, timestamp, operation, metadata, vector) AS (
  SELECT n, site, seq, timestamp, operation, metadata, vector FROM row
  UNION ALL
  SELECT row, site, seq, timestamp, operation, metadata, vector FROM sibling
)
SELECT
  row.change_id,
  shard.id,
  row.id,
  CASE version.operation WHEN 1 THEN 'insert' WHEN 2 THEN 'update' ELSE 'delete' END,
  version.vector,
  version.metadata,
  version.timestamp,
  coalesce(site.name, site.site),
  CASE WHEN row.context IS NULL
    THEN json_object(coalesce(site.name || '@', '') || site.site, version.seq)
    ELSE (
      SELECT json_group_object(coalesce(known.name || '@', '') || known.site, entry.value)
      FROM json_each(row.context) AS entry JOIN site AS known ON known.n = CAST(entry.key AS INTEGER)
    )
  END
FROM version
JOIN row ON row.n = version.n
JOIN shard ON shard.n = row.shard
JOIN site ON site.n = version.site;

CREATE VIEW shard_metadata (shard_id, version_vector, updated_at) AS
SELECT
  shard.id,
  (
    SELECT json_group_object(coalesce(known.name || '@', '') || entry.key, entry.value)
    FROM json_each(shard.version_vector) AS entry LEFT JOIN site AS known ON known.site = entry.key
  ),
  shard.updated_at
FROM shard;

-- What a shard shows. Of concurrent versions: the smallest (timestamp, site, number) under first-write-wins, the
-- greatest live one under merge (the mean is not computed here), else the greatest.
CREATE VIEW vectors (shard_id, id, metadata, timestamp, vector) AS
SELECT shard.id, row.id, row.metadata, row.timestamp, row.vector
FROM row JOIN shard ON shard.n = row.shard
WHERE row.versions = 1 AND row.operation <> 3
UNION ALL
SELECT shard_id, id, metadata, timestamp, vector
FROM (
  SELECT
    shard.id AS shard_id, row.id AS id, version.metadata AS metadata, version.timestamp AS timestamp,
    version.vector AS vector, version.operation AS operation,
    row_number() OVER (
      PARTITION BY row.n
      ORDER BY
        CASE WHEN shard.strategy = 3 THEN version.operation = 3 END,
        CASE WHEN shard.strategy = 2 THEN version.timestamp ELSE -version.timestamp END,
        CASE WHEN shard.strategy = 2 THEN site.site END,
        CASE WHEN shard.strategy <> 2 THEN site.site END DESC,
        CASE WHEN shard.strategy = 2 THEN version.seq ELSE -version.seq END
    ) AS place
  FROM row
  JOIN shard ON shard.n = row.shard
  JOIN (
    SELECT n, site, seq, timestamp, operation, metadata, vector FROM row WHERE versions > 1
    UNION ALL
    SELECT row, site, seq, timestamp, operation, metadata, vector FROM sibling
  ) AS version ON version.n = row.n
  JOIN site ON site.n = version.site
  WHERE row.versions > 1
)
WHERE place = 1 AND operation <> 3;
