consul { start_jitter = "2m" }
upstream "a" {
  listen = "127.0.0.1:9001"
  consul {
    service       = "a"
    datacenter    = "dc1"
    peer          = "west"
    ignore_checks = ["", "disk"]
    on_empty      = "holt"
    on_empty_hold = "0s"
  }
}
upstream "b" {
  listen = "127.0.0.1:9002"
  consul {
    service       = "b"
    on_empty      = "drop"
    on_empty_hold = "30s"
    failover {}
    failover { datacenter = "dc2" }
    failover { datacenter = "dc2" }
    failover {
      datacenter = "dc3"
      peer       = "east"
    }
    failover "dc4" { datacenter = "dc 4" }
    failover { data_center = "dc5" }
    failover = ["dc6"]
  }
}
upstream "c" {
  listen = "127.0.0.1:9003"
  consul {
    service        = "c"
    datacenter     = "dc1"
    prepared_query = "c-query"
    failover { datacenter = "dc2" }
  }
}
upstream "d" {
  listen = "127.0.0.1:9004"
  consul { prepared_query = "d/query" }
}
