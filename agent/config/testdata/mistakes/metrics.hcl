telemetry {
  metrics {
    latency_buckets = ["5ms", "5ms", "10ms"]
    body_size       = "yes"
    backend_limit   = 0
  }
  access_log {
    format = "json"
    failed = true
  }
}
upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
}
