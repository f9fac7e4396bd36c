-- What each peer was last known to hold: how much of this database has not arrived there is counted against it.
CREATE TABLE peer (
  shard          INTEGER NOT NULL,
  peer           BLOB NOT NULL,               -- SHA-256 of its certificate
  name           TEXT NOT NULL,               -- of its node
  changelog      TEXT NOT NULL,               -- of this database, when it was noted
  position       INTEGER NOT NULL,            -- it has the changes of that changelog up to here
  version_vector TEXT NOT NULL,               -- JSON, site to number: what it holds, safe from a power cut
  noted_at       INTEGER NOT NULL,            -- microseconds
  PRIMARY KEY (shard, peer)
);
