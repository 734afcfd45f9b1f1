#!/bin/sh
# Starts the primary. The first start makes the cluster aside, in a folder that counts only when all of it is there: a
# start that dies halfway leaves nothing that the next one would take for a database.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  PGDATA="$PGDATA.new" docker-ensure-initdb.sh
  mv "$PGDATA.new" "$PGDATA"
  sync
fi
unset POSTGRES_PASSWORD_FILE
exec postgres "$@"
