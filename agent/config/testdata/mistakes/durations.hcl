agent { drain_timeout = 30 }
telemetry { shutdown_timeout = "0s" }
upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
  timeouts {
    connect    = "-3s"
    first_byte = "5"
    idle       = "5 minutes"
    request    = "1d"
    tunnel     = ""
    header     = "9999999999h"
    keep_alive = true
  }
}
