agent { name = "one" }
agent {
  name      = "two"
  log_level = "loud"
}
upstream "web" {
  listen = "127.0.0.1:9001"
  consul { service = "web" }
  consul { service = "web2" }
  retry { max = 1 }
  retry { max = 2 }
  health {
    check "http" { path = "/" }
    check "tcp" { rise = 1 }
  }
}
upstream "web" {
  listen = "127.0.0.1:9002"
  server "a" { address = "127.0.0.1:8081" }
  server "a" { address = "127.0.0.1:8082" }
}
consul {
  token_file = "token"
  tls { key_file = "key.pem" }
}
# What stands in the first is no matter of the second.
consul {
  token = "${"a"}"
  tls { cert_file = "cert.pem" }
}
