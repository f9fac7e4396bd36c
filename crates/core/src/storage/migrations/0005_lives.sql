-- A site is now one continuous life. In `site`, own = 1 is a life of this database, former or present; 2 one of the
-- database that this one is a backup of.

-- The token of the life before the one that wrote last: a log that this life began continues a file that shows it.
ALTER TABLE counter ADD COLUMN former_token TEXT;
