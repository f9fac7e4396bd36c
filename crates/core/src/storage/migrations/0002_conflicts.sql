-- Every set of concurrent versions that a row had while it stayed in conflict, so that an id handed out earlier still
-- says what it showed. The newest 64 of each row; none of a row with one version.
CREATE TABLE conflict (
  n           INTEGER PRIMARY KEY,            -- the order in which they came up
  id          BLOB NOT NULL UNIQUE,           -- 16 bytes: the hash of shard, vector and sorted dots
  row         INTEGER NOT NULL,
  dots        TEXT NOT NULL,                  -- JSON, a list of [site.n, number]
  detected_at INTEGER NOT NULL                -- microseconds
);
CREATE INDEX conflict_row ON conflict (row);

-- The session of this life of the database: at most one row.
CREATE TABLE sync_session (
  one        INTEGER PRIMARY KEY CHECK (one = 1),
  id         TEXT NOT NULL,
  created_at INTEGER NOT NULL                 -- microseconds
);
