# The sidecar of shop: it calls stock at 127.0.0.1:9001.
agent { name = "shop" }

upstream "stock" {
  listen   = "127.0.0.1:9001"
  strategy = "least_connections"
  consul { service = "stock" }
}
