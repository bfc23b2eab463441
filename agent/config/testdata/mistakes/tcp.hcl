upstream "a" {
  listen           = "127.0.0.1:9001"
  protocol         = "tcp"
  backend_protocol = "auto"
  strategy         = "consistent_hash"
  hash_on          = "header:X-User"
  consul { service = "a" }
  health {
    check "tcp" { path = "/health" }
  }
  retry { max = 1 }
  timeouts {
    connect    = "1s"
    first_byte = "1s"
    idle       = "1s"
    request    = "1s"
    tunnel     = "1s"
    header     = "1s"
    keep_alive = "1s"
  }
  limits {
    max_requests            = 1
    max_connections         = 1
    max_requests_per_server = 1
    max_header_bytes        = 1024
  }
}
upstream "b" {
  listen       = "127.0.0.1:9002"
  accept_proxy = true
  trusted      = ["10.0.0.0/8"]
  send_proxy   = "v1"
  remove_grace = "1s"
  consul { service = "b" }
}
upstream "c" {
  listen       = "127.0.0.1:9003"
  protocol     = "tcp"
  trusted      = ["10.0.0.1/8", "everyone", "::ffff:10.0.0.0/104", "fe80::1%eth0"]
  send_proxy   = "v3"
  remove_grace = "1s"
  consul { service = "c" }
}
upstream "d" {
  listen       = "127.0.0.1:9004"
  protocol     = "tcp"
  accept_proxy = "maybe"
  on_remove    = "drian"
  remove_grace = "-1s"
  consul { service = "d" }
}
