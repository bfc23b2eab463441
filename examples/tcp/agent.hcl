# A database port: the app connects to 127.0.0.1:5432, and the sidecar carries
# the bytes to the primary that Consul knows.
agent { name = "orders" }

upstream "postgres" {
  listen   = "127.0.0.1:5432"
  protocol = "tcp"
  consul {
    service = "postgres"
    tags    = ["primary"]
  }

  health {
    check "tcp" { interval = "2s" }
    # With a single primary there is nobody else to use.
    panic_threshold = 0
  }
  timeouts {
    connect = "2s"
    tunnel  = "8h" # pools keep connections for long, and quietly
  }
}
