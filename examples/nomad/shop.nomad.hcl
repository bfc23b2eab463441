# A Nomad job whose app reaches "stock" through Outrigger, which runs beside it
# in the same group and so in the same network namespace.
#
#   nomad job run examples/nomad/shop.nomad.hcl
job "shop" {
  group "shop" {
    network {
      mode = "bridge"
      port "http" { to = 8080 }
    }

    service {
      name = "shop"
      port = "http"
      check {
        type     = "http"
        path     = "/health"
        interval = "10s"
        timeout  = "2s"
      }
    }

    # Started before the app and stopped after it, so that the app never finds
    # its upstreams gone.
    task "outrigger" {
      lifecycle {
        hook    = "prestart"
        sidecar = true
      }
      driver = "exec"
      config {
        command = "local/outrigger"
        args    = ["agent", "-config", "local/agent.hcl"]
      }
      artifact {
        source      = "https://example.com/outrigger-linux-amd64" # wherever you keep your build
        destination = "local/outrigger"
        mode        = "file"
      }
      template {
        destination   = "local/agent.hcl"
        change_mode   = "signal"
        change_signal = "SIGHUP"
        data          = <<-EOH
          agent { name = "shop" }
          consul { address = "{{ env "attr.unique.network.ip-address" }}:8500" }
          upstream "stock" {
            listen   = "127.0.0.1:9001"
            strategy = "least_connections"
            consul { service = "stock" }
          }
        EOH
      }
      kill_timeout = "45s"
      resources {
        cpu    = 100
        memory = 64
      }
    }

    task "shop" {
      driver = "exec"
      config {
        command = "local/shop"
        args    = ["-listen", "0.0.0.0:8080", "-stock", "http://127.0.0.1:9001"]
      }
      artifact {
        source      = "https://example.com/shop-linux-amd64"
        destination = "local/shop"
        mode        = "file"
      }
    }
  }
}
