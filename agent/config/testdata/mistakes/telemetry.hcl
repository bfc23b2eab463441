telemetry {
  traces {
    endpoint    = "http://collector:4317"
    compression = "gz"
    headers     = { "a b" = "secret" }
    tls { ca_file = "ca.pem" }
    mode        = "cliant"
    span_name   = "path"
  }
  metrics {
    temporality = "delta-ish"
    tls { cert_file = "cert.pem" }
  }
  logs {
    exporters = ["prometheus"]
    level     = "loud"
    timeout   = "0s"
  }
  access_log {
    format           = "{method} {pth}"
    output           = ""
    status           = ["5xx"]
    retried          = true
    min_duration     = "1s"
    request_headers  = ["Cookie", "a b"]
    response_headers = ["Content-Type"]
    buffer           = "1KiB"
  }
}
upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
}
