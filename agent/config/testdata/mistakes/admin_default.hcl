upstream "a" {
  listen = "localhost:9917"
  consul { service = "a" }
}
