# Once, before anything can connect: the engines, and the login with which vault-setup does the rest. The root token of
# this moment is shown to no one and revoked by the server.
listener "tcp" {
  address     = "127.0.0.1:8210"
  tls_disable = true
}

initialize "engines" {
  request "secret" {
    operation = "update"
    path      = "sys/mounts/secret"
    data      = { type = "kv", options = { version = "2" } }
  }
  request "transit" {
    operation = "update"
    path      = "sys/mounts/transit"
    data      = { type = "transit" }
  }
  request "database" {
    operation = "update"
    path      = "sys/mounts/database"
    data      = { type = "database" }
  }
  request "approle" {
    operation = "update"
    path      = "sys/auth/approle"
    data      = { type = "approle" }
  }
}

initialize "setup" {
  request "policy" {
    operation = "update"
    path      = "sys/policies/acl/setup"
    data = {
      policy = {
        eval_source = "file"
        eval_type   = "string"
        path        = "/policies/setup.hcl"
      }
    }
  }
  request "role" {
    operation = "update"
    path      = "auth/approle/role/setup"
    data      = { token_policies = "setup", token_no_default_policy = true, token_ttl = "10m", token_max_ttl = "10m" }
  }
  request "role-id" {
    operation = "update"
    path      = "auth/approle/role/setup/role-id"
    data      = { role_id = "setup" }
  }
  request "secret-id" {
    operation = "update"
    path      = "auth/approle/role/setup/custom-secret-id"
    data = {
      secret_id = {
        eval_source = "file"
        eval_type   = "string"
        path        = "/secrets/setup-secret-id"
      }
    }
  }
}
