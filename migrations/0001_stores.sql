-- Up Migration

CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- The API's login roles are members of this group: they change data, and own nothing. Roles belong to the whole
-- server, so another database of it may have made this one already, or be making it right now.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'store_platform_rw') THEN
    CREATE ROLE store_platform_rw NOLOGIN;
  END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

CREATE TABLE stores (
  id                uuid PRIMARY KEY,
  code              text NOT NULL CONSTRAINT stores_code_key UNIQUE CHECK (code ~ '^[A-Z0-9][A-Z0-9-]{1,31}$'),
  name              text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 120),
  format            text NOT NULL CHECK (format IN ('FLAGSHIP', 'STANDARD', 'EXPRESS', 'POPUP', 'WAREHOUSE')),
  status            text NOT NULL CHECK (status IN ('PROVISIONING', 'ACTIVE', 'DECOMMISSIONED')),
  region            text NOT NULL CHECK (region ~ '^[a-z0-9][a-z0-9-]{1,31}$'),
  address           jsonb NOT NULL,
  country           text NOT NULL GENERATED ALWAYS AS (address ->> 'country') STORED CHECK (country ~ '^[A-Z]{2}$'),
  timezone          text NOT NULL,
  currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  locale            text,
  contact           jsonb,
  opening_date      date,
  labels            jsonb NOT NULL DEFAULT '{}',
  notes             text,
  infrastructure    jsonb,
  version           integer NOT NULL CHECK (version >= 1),
  created_at        timestamptz(3) NOT NULL,
  created_by        text NOT NULL,
  updated_at        timestamptz(3) NOT NULL,
  updated_by        text NOT NULL,
  activated_at      timestamptz(3),
  decommissioned_at timestamptz(3),
  CONSTRAINT stores_activated_at_check CHECK (
    CASE status WHEN 'PROVISIONING' THEN activated_at IS NULL WHEN 'ACTIVE' THEN activated_at IS NOT NULL ELSE true END
  ),
  CONSTRAINT stores_decommissioned_at_check CHECK ((status = 'DECOMMISSIONED') = (decommissioned_at IS NOT NULL))
);

COMMENT ON COLUMN stores.contact IS 'Personal data: an encrypted envelope, never plaintext';

-- One index for each sort order of the list, with the id as tie-break, so that every page is one index range;
-- the order by code has that of stores_code_key.
CREATE INDEX stores_by_name ON stores (lower(name), id);
CREATE INDEX stores_by_created_at ON stores (created_at, id);
CREATE INDEX stores_by_updated_at ON stores (updated_at, id);

CREATE INDEX stores_by_region ON stores (region);
CREATE INDEX stores_by_country ON stores (country);
CREATE INDEX stores_by_status ON stores (status) WHERE status <> 'ACTIVE';
CREATE INDEX stores_by_label ON stores USING gin (labels jsonb_path_ops);
CREATE INDEX stores_by_text ON stores USING gin (name gin_trgm_ops, code gin_trgm_ops);

-- The last line of defence for the rules of the model, whoever writes.
CREATE FUNCTION guard_store() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'PROVISIONING' OR NEW.version <> 1 THEN
      RAISE EXCEPTION 'a store begins as PROVISIONING in version 1'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'stores_initial_state';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.id <> OLD.id OR NEW.code <> OLD.code OR NEW.created_at <> OLD.created_at OR NEW.created_by <> OLD.created_by THEN
    RAISE EXCEPTION 'id, code and creation of a store are immutable'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stores_immutable';
  END IF;
  IF NEW.status <> OLD.status AND NOT (
    (OLD.status = 'PROVISIONING' AND NEW.status IN ('ACTIVE', 'DECOMMISSIONED')) OR
    (OLD.status = 'ACTIVE' AND NEW.status = 'DECOMMISSIONED')
  ) THEN
    RAISE EXCEPTION 'a store that is % cannot become %', OLD.status, NEW.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stores_status_transition';
  END IF;
  -- Re-encryption of the contact is the one change that keeps the version. Generated columns of NEW are not yet there.
  IF NEW.version <> OLD.version + 1 AND (
    to_jsonb(NEW) - ARRAY['contact', 'country'] <> to_jsonb(OLD) - ARRAY['contact', 'country']
    OR (NEW.contact IS NULL) <> (OLD.contact IS NULL)
  ) THEN
    RAISE EXCEPTION 'every change of a store raises its version by one'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stores_version_step';
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER guard_store BEFORE INSERT OR UPDATE ON stores FOR EACH ROW EXECUTE FUNCTION guard_store();

-- The audit trail: per store a chain in which each entry holds the hash of the one before it.
CREATE TABLE store_audit (
  store_id      uuid NOT NULL REFERENCES stores (id),
  sequence      integer NOT NULL CHECK (sequence >= 1),
  at            timestamptz(3) NOT NULL,
  actor         text NOT NULL,
  action        text NOT NULL,
  from_version  integer,
  to_version    integer NOT NULL,
  changes       jsonb NOT NULL,
  request_id    text NOT NULL,
  previous_hash bytea CHECK (octet_length(previous_hash) = 32),
  hash          bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (store_id, sequence),
  CONSTRAINT store_audit_chain_check CHECK ((sequence = 1) = (previous_hash IS NULL))
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % is not allowed', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER store_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON store_audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stores_never_deleted BEFORE DELETE OR TRUNCATE ON stores
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was answered under an idempotency key, written in the transaction of the change itself. The outcome is null
-- only inside that transaction. It is json, not jsonb, for a replay is the first answer to the byte.
CREATE TABLE idempotency_keys (
  principal   text NOT NULL,
  key         text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 255),
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  outcome     json,
  created_at  timestamptz(3) NOT NULL,
  PRIMARY KEY (principal, key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

GRANT SELECT, INSERT, UPDATE ON stores TO store_platform_rw;
GRANT SELECT, INSERT ON store_audit TO store_platform_rw;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO store_platform_rw;

-- Down Migration

DROP TABLE idempotency_keys, store_audit, stores;
DROP FUNCTION guard_store, refuse_change;
