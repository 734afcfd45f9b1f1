# OpenBao with a disk of its own. It unseals itself with a key that this container alone has.
api_addr     = "http://vault:8200"
cluster_addr = "http://127.0.0.1:8201"

storage "raft" {
  path    = "/openbao/file/raft"
  node_id = "vault"
  # one server needs no patience for others
  performance_multiplier = 1
}

seal "static" {
  current_key_id = "1"
  current_key    = "file:///secrets/seal-key"
}
