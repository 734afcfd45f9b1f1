# What the API needs, and nothing that writes: docs/adr/0008-vault.md.
path "secret/data/api-keys/*" { capabilities = ["read"] }
path "secret/data/store-platform/*" { capabilities = ["read"] }
path "transit/encrypt/store-platform" { capabilities = ["update"] }
path "transit/decrypt/store-platform" { capabilities = ["update"] }
path "transit/rewrap/store-platform" { capabilities = ["update"] }
path "transit/datakey/plaintext/store-platform" { capabilities = ["update"] }
path "database/creds/app" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }
