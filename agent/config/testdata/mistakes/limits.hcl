agent { reserved_files = -1 }
upstream "web" {
  listen = "127.0.0.1:9001"
  server "a" { address = "127.0.0.1:1" }
  limits {
    max_header_bytes = 0
    max_headers      = 1
    max_request_line = "1B"
    rate_limit { burst = 0 }
    circuit_breaker {
      failure_percent = 0
      window          = "1ms"
      min_requests    = 0
      open_time       = "0s"
      trial_requests  = 0
    }
    adaptive_concurrency {
      min       = 100
      max       = 10
      tolerance = 0.5
    }
  }
  timeouts { client = "-1s" }
  headers {
    x_forwarded   = "maybe"
    trusted_peers = ["10.0.0.0/33", "shop", "::ffff:10.0.0.0/104"]
    request {
      set    = { Host = "5ecret" }
      add    = { "X-A" = "5ecret {client}" }
      remove = ["Content_Length", "a b"]
    }
    response {
      set    = { "X-A" = "5ecret", "x-a" = "b" }
      add    = { "X-B" = "" }
      remove = "Server"
    }
  }
}
upstream "twice" {
  listen = "127.0.0.1:9002"
  server "a" { address = "127.0.0.1:1" }
  headers {
    request {
      set    = { "X-A" = "b" }
      remove = ["x-a"]
    }
  }
  limits {
    rate_limit { requests_per_second = 0 }
  }
}
upstream "tcp" {
  listen   = "127.0.0.1:9003"
  protocol = "tcp"
  server "a" { address = "127.0.0.1:1" }
  timeouts { client = "1s" }
  headers { via = true }
  limits {
    max_headers      = 100
    max_request_line = "8KiB"
    rate_limit { requests_per_second = 1 }
    circuit_breaker {}
    adaptive_concurrency {}
  }
}
