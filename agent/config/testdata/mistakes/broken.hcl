agent { log_level = "loud" }
upstream "a" {
  listen =
  strategy = "randm"
  consul { service = "a" }
}
upstream "b" {
  listen = "127.0.0.1:9001"
  listen = "127.0.0.1:9002"
  limits { max_requests = 1, max_connections = 1 }
