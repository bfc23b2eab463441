telemetry {
  metrics {
    latency_buckets = [5, "0s", "10ms"]
  }
}
upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
}
