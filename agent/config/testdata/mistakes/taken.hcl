upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
}
upstream "same" {
  listen = "localhost:9001"
  consul { service = "a" }
}
upstream "mapped" {
  listen = "[::ffff:127.0.0.1]:9001"
  consul { service = "a" }
}
upstream "wildcard" {
  listen = "0.0.0.0:9001"
  consul { service = "a" }
}
upstream "admin" {
  listen = "127.0.0.1:9000"
  consul { service = "a" }
}
upstream "socket" {
  listen = "unix:///run/a.sock"
  consul { service = "a" }
}
upstream "same-socket" {
  listen = "unix:///run/./a.sock"
  consul { service = "a" }
}
upstream "free" {
  listen = "127.0.0.1:0"
  consul { service = "a" }
}
upstream "free-too" {
  listen = "127.0.0.1:0"
  consul { service = "a" }
}
upstream "other-family" {
  listen = "[::1]:9000"
  consul { service = "a" }
}
admin { listen = "127.0.0.1:9000" }
