#!/bin/sh
# Brings the Vault to what docs/operations.md asks for. Each step may have been done before, so this runs at every start.
# `setup.sh rotate` makes new secret ids and ends the ones before.
set -eu
fail() {
  echo "$1" >&2
  exit 1
}

attempts=60
until BAO_TOKEN="$(bao write -field=token auth/approle/login role_id=setup secret_id=@/secrets/secret-id 2>/tmp/refusal)"; do
  attempts=$((attempts - 1))
  [ "$attempts" -gt 0 ] || fail "Vault takes no login: $(cat /tmp/refusal)"
  sleep 1
done
export BAO_TOKEN
trap 'bao token revoke -self >/dev/null' EXIT

# A value that is there stays, and so does its absence after it was deleted.
write_once() {
  if refusal="$(bao write "secret/data/$1" - 2>&1 >/dev/null)"; then
    echo "Wrote $1"
  else
    case "$refusal" in
      *check-and-set*) ;;
      *) fail "$refusal" ;;
    esac
  fi
}

# role, folder that the container with that role reads
give_login() {
  bao write "auth/approle/role/$1" token_policies="$3" token_ttl=1h token_max_ttl=24h >/dev/null
  bao write "auth/approle/role/$1/role-id" role_id="$1" >/dev/null
  former=
  if [ -s "$2/secret-id" ]; then
    former="$(bao write -field=secret_id_accessor "auth/approle/role/$1/secret-id/lookup" secret_id=@"$2/secret-id" 2>/dev/null)" ||
      former=
  fi
  [ -z "$former" ] || [ "$command" = rotate ] || return 0
  (umask 0377 && rm -f "$2/.secret-id.new" && bao write -force -field=secret_id "auth/approle/role/$1/secret-id" >"$2/.secret-id.new")
  mv -f "$2/.secret-id.new" "$2/secret-id"
  echo "Made a secret id for $1"
  [ -z "$former" ] || bao write "auth/approle/role/$1/secret-id-accessor/destroy" secret_id_accessor="$former" >/dev/null
}

command="${1:-}"
bao write -force transit/keys/store-platform >/dev/null
bao policy write store-platform /policies/service.hcl >/dev/null
bao policy write store-platform-operator /policies/operator.hcl >/dev/null

key="$(bao write -field=random_bytes sys/tools/random/32 format=base64)"
echo "{\"options\":{\"cas\":0},\"data\":{\"key\":\"$key\"}}" | write_once store-platform/signing-key

for role in viewer operator admin; do
  hash="$(cat "/secrets/key-$role")"
  # A key that was made anew, because its file was lost, replaces the one before; a revoked one must not come back.
  [ -e "/secrets/known-$hash" ] && options='"options":{"cas":0},' || options=
  echo "{$options\"data\":{\"id\":\"compose-$role\",\"role\":\"$role\",\"keys\":[{\"hash\":\"$hash\",\"createdAt\":\"$(date -u +%Y-%m-%dT%H:%M:%S.000Z)\",\"disabled\":false}]}}" |
    write_once "api-keys/compose-$role"
  : >"/secrets/known-$hash"
done

bao write database/config/store-platform plugin_name=postgresql-database-plugin allowed_roles=app \
  connection_url='postgresql://{{username}}:{{password}}@postgres-primary:5432/store_platform?sslmode=disable' \
  username=platform_logins password=@/secrets/logins-password password_authentication=scram-sha-256 >/dev/null
bao write database/roles/app db_name=store-platform default_ttl=1h max_ttl=24h \
  creation_statements="CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE store_platform_rw" \
  revocation_statements='DROP ROLE IF EXISTS "{{name}}"' >/dev/null

give_login store-platform /logins/api store-platform
give_login store-platform-operator /logins/cli store-platform,store-platform-operator
echo 'Vault has what the service needs.'
