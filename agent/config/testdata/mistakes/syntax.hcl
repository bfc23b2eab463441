agent { name = "a", log_level = "info" }
consul {
  address = "127.0.0.1:8500
  token   = "5ecret"
}
upstream "a" {
  listen   = "127.0.0.1:9001"
  strategy = "rand"
}
