agent {
  log_level  = "warning"
  log_format = "JSON"
}
upstream "a" {
  listen           = "127.0.0.1:9001"
  protocol         = "udp"
  backend_protocol = "http2"
  strategy         = "fastest"
  hash_on          = "heder:X-User"
  consul { service = "a" }
}
upstream "b" {
  listen   = "127.0.0.1:9002"
  strategy = "least_conn"
  hash_on  = "cookie:"
  consul { service = "b" }
}
upstream "c" {
  listen  = "127.0.0.1:9003"
  hash_on = "header:X-User"
  consul { service = "c" }
}
upstream "d" {
  listen  = "127.0.0.1:9004"
  hash_on = "header:X User"
  consul { service = "d" }
}
upstream "e" {
  listen  = "127.0.0.1:9005"
  hash_on = "user"
  consul { service = "e" }
}
# A faulty value leads to no further mistakes.
upstream "f" {
  listen   = "127.0.0.1:9006"
  strategy = "hash"
  hash_on  = "header:X-User"
  consul { service = "f" }
}
