listener "tcp" {
  address     = "0.0.0.0:8200"
  tls_disable = true # the networks of docker-compose.yml lead nowhere else
}
