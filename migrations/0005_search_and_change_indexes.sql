-- Up Migration

-- Search texts of the stores that are there, and the indexes. Every step is a transaction of its own and may be repeated,
-- so that older versions of the service go on: a write waits for its part of the rows, or for one index, and no read
-- waits. (The migration's own transaction is the one that is open at the beginning and at the end.)

UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = '0'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = '1'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = '2'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = '3'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = '4'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = '5'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = '6'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = '7'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = '8'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = '9'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = 'a'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = 'b'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = 'c'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = 'd'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = 'e'; COMMIT; BEGIN;
UPDATE stores SET search_text = NULL WHERE search_text IS NULL AND right(id::text, 1) = 'f'; COMMIT; BEGIN;

-- Each order of the list has one index, with the id as tie-break.
CREATE INDEX IF NOT EXISTS stores_in_name_order ON stores (name COLLATE store_names, id);
COMMIT; BEGIN;
CREATE INDEX IF NOT EXISTS stores_by_search_text ON stores USING gin (search_text gin_trgm_ops);
COMMIT; BEGIN;
CREATE INDEX IF NOT EXISTS stores_in_change_order ON stores (changed_epoch, changed_xid, id);
COMMIT; BEGIN;
ANALYZE stores;
COMMIT; BEGIN;

SET LOCAL lock_timeout = '5s';
DROP INDEX IF EXISTS stores_by_name, stores_by_text;

-- Down Migration

CREATE INDEX stores_by_name ON stores (lower(name), id);
CREATE INDEX stores_by_text ON stores USING gin (name gin_trgm_ops, code gin_trgm_ops);
DROP INDEX stores_in_name_order, stores_by_search_text, stores_in_change_order;
