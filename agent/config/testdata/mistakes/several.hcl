upstream "a" {
  listen   = "127.0.0.1:9001"
  strategy = "least_conections"
  consul { service = "a" }
}
upstream "b" {
  listen = "127.0.0.1:9001"
  consul { service = "b" }
  timeouts { connect = "-3s" }
  bogus = 1
}
