-- Up Migration

-- Writes that were accepted while the database was away, with what became of them: written in the transaction of the
-- write itself, and kept as long as its store's audit trail. There is no foreign key: a creation that failed has no
-- store.
CREATE TABLE operations (
  id            uuid PRIMARY KEY,
  kind          text NOT NULL CHECK (kind IN ('store.create', 'store.replace', 'store.decommission')),
  store_id      uuid NOT NULL,
  status        text NOT NULL CHECK (status IN ('SUCCEEDED', 'FAILED')),
  accepted_at   timestamptz(3) NOT NULL,
  accepted_by   text NOT NULL,
  attempts      integer NOT NULL CHECK (attempts >= 0),
  finished_at   timestamptz(3) NOT NULL,
  store_version integer CHECK (store_version >= 1),
  -- what the caller would have been answered: json, not jsonb, for it is shown to the byte
  error         json,
  CONSTRAINT operations_fate_check CHECK (
    CASE status WHEN 'SUCCEEDED' THEN store_version IS NOT NULL AND error IS NULL ELSE error IS NOT NULL END
  )
);

CREATE INDEX operations_by_store ON operations (store_id, accepted_at, id);

GRANT SELECT, INSERT ON operations TO store_platform_rw;

-- Down Migration

DROP TABLE operations;
