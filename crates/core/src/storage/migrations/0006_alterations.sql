-- Shards with rows that another program has altered or removed, or that did not match their hashes. The triggers are part
-- of the file, so they run in every program that writes to it but in this one, whose connection runs none (pragmas.rs).
-- A former version of this program runs them: it gives a new change_id to each row that it updates, removes no row, and
-- negates sibling.row before it removes a version, so that none of the conditions holds for it.
CREATE TABLE altered (
  shard   INTEGER PRIMARY KEY,
  present INTEGER NOT NULL                    -- 0: the shard was repaired since
);

CREATE TRIGGER row_altered AFTER UPDATE ON row WHEN NEW.change_id = OLD.change_id BEGIN
  UPDATE altered SET present = 1 WHERE shard = OLD.shard;
  INSERT INTO altered (shard, present)
    SELECT OLD.shard, 1 WHERE NOT EXISTS (SELECT 1 FROM altered WHERE shard = OLD.shard);
END;
-- The number of the row that was removed may be given to another one.
CREATE TRIGGER row_removed AFTER DELETE ON row BEGIN
  DELETE FROM sibling WHERE row = OLD.n;
  DELETE FROM conflict WHERE row = OLD.n;
  UPDATE altered SET present = 1 WHERE shard = OLD.shard;
  INSERT INTO altered (shard, present)
    SELECT OLD.shard, 1 WHERE NOT EXISTS (SELECT 1 FROM altered WHERE shard = OLD.shard);
END;
CREATE TRIGGER sibling_altered AFTER UPDATE ON sibling WHEN NEW.row > 0 BEGIN
  UPDATE altered SET present = 1 WHERE shard = (SELECT shard FROM row WHERE n = OLD.row);
  INSERT INTO altered (shard, present)
    SELECT shard, 1 FROM row WHERE n = OLD.row AND NOT EXISTS (SELECT 1 FROM altered WHERE shard = row.shard);
END;
CREATE TRIGGER sibling_removed AFTER DELETE ON sibling WHEN OLD.row > 0 BEGIN
  UPDATE altered SET present = 1 WHERE shard = (SELECT shard FROM row WHERE n = OLD.row);
  INSERT INTO altered (shard, present)
    SELECT shard, 1 FROM row WHERE n = OLD.row AND NOT EXISTS (SELECT 1 FROM altered WHERE shard = row.shard);
END;

-- How far stored rows have been checked against their hashes. At most one row.
CREATE TABLE scrub (
  one   INTEGER PRIMARY KEY CHECK (one = 1),
  at    INTEGER NOT NULL,                     -- microseconds: the last time
  shard INTEGER NOT NULL,                     -- up to this row; 0: to the end
  id    TEXT NOT NULL
);
