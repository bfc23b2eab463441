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
