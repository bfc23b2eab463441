telemetry {
  traces { exporters = ["none", "otlp"] }
  metrics { exporters = "otlp" }
}
upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
  limits { max_header_bytes = "9999999GiB" }
}
upstream "b" {
  listen = "127.0.0.1:9002"
  consul { service = "b" }
  limits { max_header_bytes = "9999999MiB" }
}
