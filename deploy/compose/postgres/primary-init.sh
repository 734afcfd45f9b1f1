#!/bin/sh
# Roles and database. The superuser has no way in but the container's own socket; the owner migrates and makes no roles;
# Vault's login makes logins, which are members of the group that has the rights, and owns nothing.
set -eu
psql --set=ON_ERROR_STOP=1 --quiet --username=postgres \
  --set=replication="$(cat /secrets/replication-password)" \
  --set=owner="$(cat /secrets/owner-password)" \
  --set=logins="$(cat /secrets/logins-password)" <<'SQL'
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'replication';
CREATE ROLE platform_owner LOGIN PASSWORD :'owner';
CREATE ROLE platform_logins LOGIN CREATEROLE PASSWORD :'logins';
CREATE ROLE store_platform_rw NOLOGIN;
GRANT store_platform_rw TO platform_logins WITH ADMIN OPTION, INHERIT FALSE;
CREATE DATABASE store_platform OWNER platform_owner;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
DO $$ BEGIN PERFORM pg_create_physical_replication_slot('replica'); END $$;
SQL
cat > "$PGDATA/pg_hba.conf" <<'HBA'
local all            postgres   peer
host  all            postgres   all reject
host  replication    replicator all scram-sha-256
host  store_platform all        all scram-sha-256
HBA
