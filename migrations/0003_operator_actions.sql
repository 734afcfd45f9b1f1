-- Up Migration

-- What operators did to the running service, recorded before it was done; the ids are in the order of time.
CREATE TABLE operator_actions (
  id         uuid PRIMARY KEY,
  at         timestamptz(3) NOT NULL,
  actor      text NOT NULL,
  action     text NOT NULL,
  target     text NOT NULL,
  reason     text NOT NULL,
  request_id text NOT NULL
);

CREATE TRIGGER operator_actions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON operator_actions TO store_platform_rw;

-- Down Migration

DROP TABLE operator_actions;
