consul {
  address    = "http://127.0.0.1:8500?x=1"
  token      = "5ecret"
  token_file = "token"
  tls { key_file = "client.key" }
}
upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
}
