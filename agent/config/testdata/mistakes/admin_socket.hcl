admin { listen = "unix:///run/admin.sock" }
upstream "a" {
  listen = "unix:///run/admin.sock"
  consul { service = "a" }
}
