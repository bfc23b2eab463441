listen = "127.0.0.1:9001"
consul = { address = "127.0.0.1:8500" }
upstrem "web" {
  listen = "127.0.0.1:9001"
}
agent "shop" {
  log_levl   = "info"
  log_format { json = true }
  colour     = "red"
}
upstream {
  listen   = "127.0.0.1:9002"
  max      = 3
  consul   { service = "web" }
  timeouts { conect = "1s" }
}
upstream "a b" {
  listen = "127.0.0.1:9003"
  server "one" "two" { address = "127.0.0.1:8081" }
  helth {}
}
