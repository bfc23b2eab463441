service {
  port = 8080
  meta = ["a"]
  check "http" {
    url    = "ftp://x/"
    header = { Host = ["a"] }
  }
}
