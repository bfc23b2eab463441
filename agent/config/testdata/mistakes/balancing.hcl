agent { zone = "a\nb" }
upstream "bounds" {
  listen          = "127.0.0.1:9001"
  strategy        = "consistent_hash"
  hash_balance    = 0.5
  shadow_strategy = "least_conn"
  prefer_zone     = "sometimes"
  consul {
    service       = "a"
    zone_from     = "localty"
    priority_from = "node_meta:"
  }
  sticky {
    cookie = "a;b"
    ttl    = "10ms"
    path   = "shop"
  }
  slow_start {
    window        = "-1s"
    aggression    = 0
    least_percent = 0
  }
  subset {
    size   = -1
    client = "a\nb"
  }
  limits {
    max_queue     = -1
    queue_timeout = "soon"
  }
}
# Nothing of this does anything.
upstream "idle" {
  listen          = "127.0.0.1:9002"
  strategy        = "random"
  hash_balance    = 1.25
  shadow_strategy = "random"
  consul {
    service       = "a"
    zone_from     = "node-meta:zone"
    priority_from = "locality"
  }
  sticky {}
  slow_start { aggression = 2 }
  subset { client = "7" }
  limits { queue_timeout = "1s" }
}
upstream "full" {
  listen = "127.0.0.1:9003"
  consul { service = "a" }
  limits { max_queue = 10 }
}
upstream "keys" {
  listen          = "127.0.0.1:9004"
  strategy        = "ip_hash"
  shadow_strategy = "consistent_hash"
  hash_on         = "cookie:session"
  consul { service = "a" }
  sticky { cookie = "session" }
}
upstream "secure" {
  listen = "127.0.0.1:9005"
  server "a" {
    address  = "127.0.0.1:8081"
    priority = 128
  }
  server "b" {
    address         = "127.0.0.1:8082"
    max_connections = "few"
  }
  sticky {
    cookie = "__Host-outrigger"
    path   = "/a;b"
  }
  limits { max_queue = 10 }
}
upstream "tcp" {
  listen   = "127.0.0.1:9006"
  protocol = "tcp"
  consul { service = "a" }
  sticky { cookie = "outrigger" }
}
# What is right, though it needs a second look.
upstream "right" {
  listen          = "127.0.0.1:9007"
  strategy        = "least_connections"
  shadow_strategy = "consistent_hash"
  hash_on         = "header:X-User"
  hash_balance    = 2
  server "a" {
    address         = "127.0.0.1:8081"
    max_connections = 1
    priority        = 127
  }
  sticky { cookie = "s" }
  subset { size = 0 }
  limits { max_queue = 10 }
}
