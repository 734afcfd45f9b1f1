#!/bin/sh
# Starts OpenBao. The first start makes its storage aside, in a folder that counts only when all of it is there: the server
# refuses for ever what was initialised by halves.
set -eu
storage=/openbao/file/raft

if [ ! -d "$storage" ]; then
  rm -rf "$storage.new"
  mkdir "$storage.new"
  BAO_RAFT_PATH="$storage.new" bao server -config=/deploy/server.hcl -config=/deploy/first-start.hcl &
  server=$!
  trap 'kill "$server"; wait "$server"; exit 143' TERM INT
  # it answers when it has done all that it was told to
  until BAO_ADDR=http://127.0.0.1:8210 bao write -field=token_policies \
    auth/approle/login role_id=setup secret_id=@/secrets/setup-secret-id >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || { echo 'The first start failed: see above' >&2; exit 1; }
    sleep 1
  done
  trap - TERM INT
  kill "$server"
  wait "$server" || true
  mv "$storage.new" "$storage"
  sync
fi

exec bao server -config=/deploy/server.hcl -config=/deploy/listener.hcl
