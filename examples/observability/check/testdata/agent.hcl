# An agent to scrape: there is some of everything in it. The test puts in the
# addresses of its backends.
agent {
  name = "checkout"
  zone = "a"
}

admin { listen = "127.0.0.1:0" }

consul { wait = "1s" }

telemetry {
  metrics { body_size = true }
  access_log {
    format = "json"
    output = "ACCESS_LOG"
  }
}

# Found in the demo's catalog, which begins to err after a while.
upstream "web" {
  listen = "127.0.0.1:0"
  consul { service = "web" }
  health {
    check "http" { interval = "500ms" }
  }
}

# In two zones, and at an address where nobody is.
upstream "shop" {
  listen          = "127.0.0.1:0"
  shadow_strategy = "round_robin"
  server "s1" {
    address = "STORE"
    zone    = "a"
  }
  server "s2" {
    address = "STORE"
    zone    = "b"
  }
  server "s3" {
    address = "NOBODY"
    zone    = "a"
  }
}

# Takes one request at a time, lets one wait and refuses the others.
upstream "till" {
  listen = "127.0.0.1:0"
  server "t1" { address = "STORE" }
  retry {
    hedge { percentile = 50 }
  }
  limits {
    circuit_breaker {}
    max_requests_per_server = 1
    max_queue               = 1
    queue_timeout           = "20ms"
  }
}

# Has nobody.
upstream "lost" {
  listen = "127.0.0.1:0"
  server "l1" { address = "NOBODY" }
  health {
    panic = "off"
    check "tcp" { interval = "500ms" }
  }
}

upstream "bank" {
  listen   = "127.0.0.1:0"
  protocol = "tcp"
  server "b1" { address = "STORE" }
}

# And nobody either, by TCP.
upstream "safe" {
  listen   = "127.0.0.1:0"
  protocol = "tcp"
  server "f1" { address = "NOBODY" }
}
