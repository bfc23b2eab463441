# An agent that says all it can: metrics to be scraped, spans and events to a
# collector. With -dev it has a catalog and three backends of its own.
agent { name = "demo" }

# For Prometheus, from the machine beside. The listener has status and explain
# too, and nobody is asked who they are: keep it off networks of others.
admin { listen = "0.0.0.0:9917" }

telemetry {
  traces {
    exporters    = ["otlp"]
    endpoint     = "http://collector:4317"
    sample_ratio = 0.1
  }
  logs {
    exporters = ["otlp"]
    endpoint  = "http://collector:4317"
  }
  access_log {
    format       = "json"
    sample       = 0
    status       = ["500-599"]
    min_duration = "1s"
    retried      = true
  }
}

upstream "web" {
  listen = "0.0.0.0:9101"
  consul { service = "web" }
  health {
    check "http" { interval = "1s" }
  }
}
