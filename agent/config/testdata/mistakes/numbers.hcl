agent {
  probes {
    per_second = 0
    at_once    = 0.5
  }
}
telemetry {
  traces {
    exporters    = ["otpl", "prometheus"]
    protocol     = "http"
    endpoint     = "localhost:4317"
    sample_ratio = 1.5
  }
  metrics {
    exporters = ["otlp", "otlp"]
    endpoint  = "http://localhost:0"
    interval  = "0s"
  }
}
upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
  retry {
    max               = -1
    budget_percent    = 101
    budget_per_second = 1e12
  }
  limits {
    max_requests            = -1
    max_connections         = "some"
    max_requests_per_server = 1e999999999
    max_header_bytes        = "64KB"
  }
}
