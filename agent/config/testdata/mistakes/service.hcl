service "shop_1" {
  id                        = "a/b"
  address                   = "0.0.0.0"
  port                      = 70000
  tags                      = ["", "v2"]
  meta                      = { "consul-x" = "y" }
  zone                      = "eu-1"
  deregister_critical_after = "30s"
  deregister_wait           = "-1s"
  weights {
    passing = 0
    warning = -1
  }
  check "http" {
    path     = "/health"
    url      = "http://127.0.0.1:8080/health?deep=1"
    header   = { "a b" = "5ecret" }
    address  = "127.0.0.1:80"
    tls      = true
    ttl      = "5s"
    interval = "100ms"
  }
  check "http" { path = "health" }
  check "tcp" {
    address  = "8080"
    path     = "/"
    interval = "1s"
    timeout  = "2s"
  }
  check "grpc" { service = "a b" }
  check "ttl" {
    ttl      = "10s"
    interval = "10s"
    timeout  = "11s"
  }
  check "script" { interval = "1s" }
}
service "second" {
  deregister_critical_after = "2m"
}
