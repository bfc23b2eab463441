agent {
  name          = ["shop"]
  drain_timeout = ["30s"]
}
telemetry {
  traces { sample_ratio = "half" }
}
upstream "a" {
  listen = "127.0.0.1:9001"
  consul {
    service = { name = "a" }
    tags    = ["a", null, ["b"]]
  }
  limits { max_header_bytes = [1] }
  health {
    check "http" { status = [[200]] }
  }
}
