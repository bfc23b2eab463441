upstream "none" {
  consul { service = "a" }
}
upstream "null" {
  listen = null
  consul { service = "a" }
}
upstream "empty" {
  listen = ""
  consul { service = "a" }
}
upstream "port-only" {
  listen = 9001
  consul { service = "a" }
}
upstream "no-port" {
  listen = "127.0.0.1"
  consul { service = "a" }
}
upstream "no-digits" {
  listen = "127.0.0.1:"
  consul { service = "a" }
}
upstream "named-port" {
  listen = "127.0.0.1:http"
  consul { service = "a" }
}
upstream "high-port" {
  listen = "127.0.0.1:70000"
  consul { service = "a" }
}
upstream "host" {
  listen = "web.internal:9001"
  consul { service = "a" }
}
upstream "url" {
  listen = "http://127.0.0.1:9001/"
  consul { service = "a" }
}
upstream "brackets" {
  listen = "::1:9001"
  consul { service = "a" }
}
upstream "colons" {
  listen = "a:b:c"
  consul { service = "a" }
}
upstream "relative" {
  listen = "unix://run/web.sock"
  consul { service = "a" }
}
upstream "slashes" {
  listen = "unix:/run/web.sock"
  consul { service = "a" }
}
upstream "root" {
  listen = "unix:///"
  consul { service = "a" }
}
upstream "long" {
  listen = "unix:///run/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789.sock"
  consul { service = "a" }
}
upstream "control" {
  listen = "unix:///run/a\nb"
  consul { service = "a" }
}
upstream "list" {
  listen = ["127.0.0.1:9001"]
  consul { service = "a" }
}
