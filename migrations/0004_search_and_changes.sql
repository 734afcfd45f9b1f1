-- Up Migration

-- Columns and what fills them. No row is touched: older versions of the service go on while this runs, and afterwards. It
-- needs the table for a moment; if a long statement holds that, it gives up instead of having every request wait behind
-- it, and may be repeated.
SET LOCAL lock_timeout = '5s';

-- The order of names as people expect it, in no language in particular (CLDR, root): accents and ligatures stand with
-- their letter, letter case does not count (level 2), numbers count by value (kn). Names that differ in letter case alone
-- are equal to it, so every order needs a tie-break.
CREATE COLLATION store_names (provider = icu, locale = 'und-u-kn-ks-level2', deterministic = false);

-- What a search compares. Texts that a person takes for the same have the same form: compatibility forms (NFKD) and letter
-- case (full case folding: ß is ss, a final sigma a sigma), diacritics, points and vowel marks of Hebrew and Arabic,
-- invisible characters, typographic dashes and quotes, letters with a stroke and ligatures, and white space of any kind
-- and length. Signs that are letters of their own stay (vowels of Indic scripts, the voicing of kana). Where nothing is
-- left, the text stands for itself.
CREATE FUNCTION search_form(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  form text := value;
BEGIN
  IF octet_length(value) <> char_length(value) THEN
    form := regexp_replace(
      normalize(value, NFKD),
      '[\u00ad\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u065f\u0670\u06d6-\u06dc'
        '\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200f\u2060-\u2064\u20d0-\u20ff'
        '\ufe00-\ufe0f\ufe20-\ufe2f\ufeff]+',
      '', 'g'
    );
    form := casefold(form COLLATE pg_unicode_fast);
    form := translate(form, 'øłđðħıŧ‘’‚‛′ʹʻʼʾʿ“”„‟«»‐‒–—―−', 'olddhit''''''''''''''''''''""""""------');
    form := replace(replace(replace(form, 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');
    form := normalize(form, NFKC);
  ELSE
    form := lower(value);
  END IF;
  form := btrim(regexp_replace(form COLLATE pg_unicode_fast, '\s+', ' ', 'g'));
  RETURN CASE WHEN form = '' THEN value ELSE form END;
END
$$;

-- The pattern of LIKE for what contains a text, both in their search form.
CREATE FUNCTION search_pattern(value text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT '%' || regexp_replace(search_form(value), '([\\%_])', '\\\1', 'g') || '%'
$$;

-- Which Postgres wrote, in the order of their time: another generation begins where the data was moved to another one
-- (dump and restore, pg_upgrade), for there transaction ids are others.
CREATE TABLE database_generations (
  generation integer PRIMARY KEY CHECK (generation >= 1),
  system_id  bigint NOT NULL
);

INSERT INTO database_generations SELECT 1, system_identifier FROM pg_control_system();

GRANT SELECT, INSERT ON database_generations TO store_platform_rw;

-- The time that transaction ids of this moment belong to: the generation, and below it the timeline, which every
-- promotion raises. What was written in a later epoch is later, whatever its transaction id.
CREATE FUNCTION current_epoch() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  present bigint;
  newest database_generations;
BEGIN
  SELECT system_identifier INTO present FROM pg_control_system();
  LOOP
    SELECT * INTO newest FROM database_generations ORDER BY generation DESC LIMIT 1;
    EXIT WHEN newest.system_id = present;
    -- of several first writers one makes it, and the others wait for that
    INSERT INTO database_generations VALUES (newest.generation + 1, present) ON CONFLICT DO NOTHING;
  END LOOP;
  RETURN (newest.generation::bigint << 32) | ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint;
END
$$;

-- Rows that are there already are the oldest changes: of generation 1, before any timeline and any transaction.
ALTER TABLE stores
  ADD COLUMN search_text text,
  ADD COLUMN changed_epoch bigint NOT NULL DEFAULT 4294967296,
  ADD COLUMN changed_xid xid8 NOT NULL DEFAULT '0';

COMMENT ON COLUMN stores.search_text IS 'Search forms of name and code, a line each; made by the trigger guard_store';
COMMENT ON COLUMN stores.changed_xid IS 'Transaction of the newest version, in changed_epoch; made by the trigger guard_store';

-- As before, and it fills in what no writer may choose.
CREATE OR REPLACE FUNCTION guard_store() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'PROVISIONING' OR NEW.version <> 1 THEN
      RAISE EXCEPTION 'a store begins as PROVISIONING in version 1'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'stores_initial_state';
    END IF;
    NEW.search_text := search_form(NEW.name) || E'\n' || lower(NEW.code);
    NEW.changed_epoch := current_epoch();
    NEW.changed_xid := pg_current_xact_id();
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
  NEW.search_text := OLD.search_text;
  NEW.changed_epoch := OLD.changed_epoch;
  NEW.changed_xid := OLD.changed_xid;
  -- Re-encryption of the contact is the one change that keeps the version. Generated columns of NEW are not yet there.
  IF NEW.version <> OLD.version + 1 AND (
    to_jsonb(NEW) - ARRAY['contact', 'country'] <> to_jsonb(OLD) - ARRAY['contact', 'country']
    OR (NEW.contact IS NULL) <> (OLD.contact IS NULL)
  ) THEN
    RAISE EXCEPTION 'every change of a store raises its version by one'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'stores_version_step';
  END IF;
  IF NEW.search_text IS NULL OR NEW.name <> OLD.name THEN
    NEW.search_text := search_form(NEW.name) || E'\n' || lower(NEW.code);
  END IF;
  IF NEW.version <> OLD.version THEN
    NEW.changed_epoch := current_epoch();
    NEW.changed_xid := pg_current_xact_id();
  END IF;
  RETURN NEW;
END
$$;

-- Down Migration

CREATE OR REPLACE FUNCTION guard_store() RETURNS trigger LANGUAGE plpgsql AS $$
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

ALTER TABLE stores DROP COLUMN search_text, DROP COLUMN changed_epoch, DROP COLUMN changed_xid;
DROP FUNCTION current_epoch, search_pattern, search_form;
DROP TABLE database_generations;
DROP COLLATION store_names;
