# Nothing here is a mistake, but all of it is worth a word.
admin { listen = "[::]:9917" }
consul { token = "5ecret" }
upstream "a" {
  listen = ":9001"
  consul { service = "a" }
}
upstream "b" {
  listen = "192.0.2.1:9002"
  consul { service = "b" }
}
upstream "c" {
  listen = "127.0.0.1:9003"
  consul { service = "c" }
  tls { insecure_skip_verify = true }
}
