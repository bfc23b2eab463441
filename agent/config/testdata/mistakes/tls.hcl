upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
  tls {
    cert_file   = "cert.pem"
    server_name = "no host"
    match       = ["web.internal", "dns:*.internal", "spiffe://example.org:8080/web", "spiffe://example.org/*/web", "spiffe://example.org//web"]
    min_version = "1.1"
    ca_path     = "/etc/ca"
  }
}
upstream "b" {
  listen           = "127.0.0.1:9002"
  backend_protocol = "h2c"
  server "a" { address = "unix:///run/b.sock" }
  tls {
    key_file             = "key.pem"
    min_version          = "1.4"
    insecure_skip_verify = "maybe"
  }
}
upstream "c" {
  listen           = "127.0.0.1:9003"
  backend_protocol = "h2"
  server "a" { address = "unix:///run/c.sock" }
}
upstream "d" {
  listen = "127.0.0.1:9004"
  server "a" { address = "unix:///run/d.sock" }
  tls {}
  tls { enabled = true }
}
