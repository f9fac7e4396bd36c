-- How many times alterations of a shard's rows were noticed, or its digest was computed anew. Who has read all rows in a
-- snapshot sees from this number whether that still tells how the digest and the rows differ. It never goes back, although
-- rows of altered are removed.
CREATE TABLE IF NOT EXISTS alteration_count (
  shard INTEGER PRIMARY KEY,
  times INTEGER NOT NULL
);

DROP TRIGGER IF EXISTS altered_noted;
CREATE TRIGGER altered_noted AFTER INSERT ON altered BEGIN
  UPDATE alteration_count SET times = times + 1 WHERE shard = NEW.shard;
  INSERT INTO alteration_count (shard, times)
    SELECT NEW.shard, 1 WHERE NOT EXISTS (SELECT 1 FROM alteration_count WHERE shard = NEW.shard);
END;
DROP TRIGGER IF EXISTS altered_noted_again;
CREATE TRIGGER altered_noted_again AFTER UPDATE ON altered BEGIN
  UPDATE alteration_count SET times = times + 1 WHERE shard = NEW.shard;
  INSERT INTO alteration_count (shard, times)
    SELECT NEW.shard, 1 WHERE NOT EXISTS (SELECT 1 FROM alteration_count WHERE shard = NEW.shard);
END;

-- INSERT OR REPLACE by another program runs no trigger for the row that goes. The counter has the last change_id of all
-- transactions so far, so that each row that this program inserts has a greater one.
DROP TRIGGER IF EXISTS row_replaced;
CREATE TRIGGER row_replaced AFTER INSERT ON row WHEN NEW.change_id <= (SELECT change_id FROM counter) BEGIN
  UPDATE altered SET present = 1 WHERE shard = NEW.shard;
  INSERT INTO altered (shard, present)
    SELECT NEW.shard, 1 WHERE NOT EXISTS (SELECT 1 FROM altered WHERE shard = NEW.shard);
END;
DROP TRIGGER IF EXISTS sibling_replaced;
CREATE TRIGGER sibling_replaced AFTER INSERT ON sibling
  WHEN NEW.row > 0 AND (SELECT change_id FROM row WHERE n = NEW.row) <= (SELECT change_id FROM counter)
BEGIN
  UPDATE altered SET present = 1 WHERE shard = (SELECT shard FROM row WHERE n = NEW.row);
  INSERT INTO altered (shard, present)
    SELECT shard, 1 FROM row WHERE n = NEW.row AND NOT EXISTS (SELECT 1 FROM altered WHERE shard = row.shard);
END;
