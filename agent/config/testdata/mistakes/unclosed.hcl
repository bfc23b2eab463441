upstream "a" {
  listen = "127.0.0.1:9001
  consul {
    service = file(env.NAME)
  }
}
upstream "b" {
  limits {
    max_requests = 1
  }
}
