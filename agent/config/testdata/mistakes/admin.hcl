admin { listen = "" }
upstream "a" {
  listen = "127.0.0.1:9917"
  consul { service = "a" }
}
