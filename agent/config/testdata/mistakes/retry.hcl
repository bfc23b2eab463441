upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
  retry {
    max = 0
    on  = ["503"]
  }
}
upstream "b" {
  listen = "127.0.0.1:9002"
  consul { service = "b" }
  retry {
    budget_percent    = 0
    budget_per_second = 0
    on                = ["200", "504-502", "retry", "grpc:0", "grpc:UNAVAILABLE", 503, true]
    hedge {
      percentile = 100
      least      = "0s"
    }
  }
}
upstream "c" {
  listen   = "127.0.0.1:9003"
  protocol = "tcp"
  consul { service = "c" }
  retry {
    on = ["503"]
    hedge {}
  }
}
