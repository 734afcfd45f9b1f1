# What the commands `keys …` need beside the policy of the service.
path "secret/data/api-keys/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/api-keys" { capabilities = ["list"] }
