consul {
  address    = "consul.internal"
  token      = "not a token"
  datacenter = "dc/1"
  namespace  = "a b"
  partition  = "a\"b"
  wait       = "11m"
  tls {
    cert_file            = "client.pem"
    server_name          = "https://consul"
    insecure_skip_verify = "perhaps"
  }
}
upstream "a" {
  listen = "127.0.0.1:9001"
  consul {
    tags           = ["v2", "a b", "c/d", ""]
    filter         = "Service.Meta.version = 2"
    datacenter     = "dc1?"
    near           = "a\tb"
    tagged_address = "lan wan"
  }
}
upstream "b" {
  listen = "127.0.0.1:9002"
  consul {
    service = "web/v2"
    tags    = "v2"
  }
}
upstream "c" {
  listen = "127.0.0.1:9003"
  consul { service = "" }
}
upstream "d" {
  listen = "127.0.0.1:9004"
}
upstream "e" {
  listen = "127.0.0.1:9005"
  consul { service = "e" }
  server "a" { address = "127.0.0.1:8081" }
}
