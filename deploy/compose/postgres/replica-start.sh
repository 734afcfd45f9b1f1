#!/bin/sh
# Starts the replica, which copies the primary first if it has nothing. The copy is made aside: one that dies halfway does
# not count.
set -eu
PGPASSWORD="$(cat /secrets/replication-password)"
export PGPASSWORD PGHOST=postgres-primary PGUSER=replicator

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  pg_basebackup --write-recovery-conf --wal-method=stream --checkpoint=fast --slot=replica --pgdata="$PGDATA.new"
  chmod 0700 "$PGDATA.new"
  mv "$PGDATA.new" "$PGDATA"
  sync
fi

# A primary that was made anew is another cluster. What is here may be the only copy of the old one: it is not touched.
ours="$(pg_controldata --pgdata="$PGDATA" | sed -n 's/^Database system identifier: *//p')"
theirs="$(psql 'dbname=replication replication=true' --no-align --tuples-only --field-separator=' ' \
  --command=IDENTIFY_SYSTEM 2>/dev/null | cut -d' ' -f1)" || theirs=
if [ -n "$theirs" ] && [ "$theirs" != "$ours" ]; then
  echo 'The primary is not the one that this replica is a copy of. If the primary is right, remove the volume "replica"' \
    'and start again: docs/operations.md, "Docker Compose".' >&2
  exit 1
fi
unset PGPASSWORD PGHOST PGUSER
exec postgres -c hot_standby=on
