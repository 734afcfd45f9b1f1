# What deploy/compose/vault-setup/setup.sh does. Whoever writes policies can give itself more: its login is in no container
# that goes on running, apart from the one of the server itself.
path "sys/policies/acl/store-platform" { capabilities = ["create", "update"] }
path "sys/policies/acl/store-platform-operator" { capabilities = ["create", "update"] }
path "auth/approle/role/store-platform" { capabilities = ["create", "update"] }
path "auth/approle/role/store-platform/*" { capabilities = ["create", "update"] }
path "auth/approle/role/store-platform-operator" { capabilities = ["create", "update"] }
path "auth/approle/role/store-platform-operator/*" { capabilities = ["create", "update"] }
path "secret/data/store-platform/signing-key" { capabilities = ["create", "update"] }
path "secret/data/api-keys/compose-*" { capabilities = ["create", "update"] }
path "transit/keys/store-platform" { capabilities = ["create", "update"] }
path "database/config/store-platform" { capabilities = ["create", "update"] }
path "database/roles/app" { capabilities = ["create", "update"] }
path "sys/tools/random/32" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }
