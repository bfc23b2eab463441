upstream "a" {
  listen = "127.0.0.1:9001"
  server "none" {}
  server "a/b" { address = "127.0.0.1:8081" }
  server "no-port" { address = "web.internal" }
  server "no-host" { address = ":8081" }
  server "zero" { address = "127.0.0.1:0" }
  server "url" { address = "https://web.internal:443" }
  server "misspelt" { address = "127.0.0.300:80" }
  server "space" { address = "web internal:80" }
  server "socket" { address = "unix:web.sock" }
  server "numbers" {
    address         = "127.0.0.1:8082"
    weight          = 0
    max_connections = -1
    zone            = "a\nb"
  }
  server "more" {
    address         = "127.0.0.1:8083"
    weight          = 65536
    max_connections = 1.5
  }
  server "kinds" {
    address         = "127.0.0.1:8084"
    weight          = "heavy"
    max_connections = [1]
  }
}
