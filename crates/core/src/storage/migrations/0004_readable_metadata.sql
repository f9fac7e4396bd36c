-- The same views, but metadata that SQLite's JSON functions refuse is NULL: one such row, which former builds accepted
-- (over 1,000 levels) or which is damaged, failed every query that looked into metadata.
DROP VIEW vectors;
DROP VIEW vector_changelog;

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
  CASE WHEN json_valid(version.metadata) THEN version.metadata END,
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

-- What a shard shows. Of concurrent versions: the smallest (timestamp, site, number) under first-write-wins, the
-- greatest live one under merge (the mean is not computed here), else the greatest.
CREATE VIEW vectors (shard_id, id, metadata, timestamp, vector) AS
SELECT
  shard.id, row.id, CASE WHEN json_valid(row.metadata) THEN row.metadata END, row.timestamp, row.vector
FROM row JOIN shard ON shard.n = row.shard
WHERE row.versions = 1 AND row.operation <> 3
UNION ALL
SELECT
  shard_id, id, CASE WHEN json_valid(metadata) THEN metadata END, timestamp, vector
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
