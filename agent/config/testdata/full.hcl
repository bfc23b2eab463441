# Every attribute, each with a value of its own that is not its default.
agent {
  name          = "shop"
  data_dir      = "/var/lib/outrigger"
  log_level     = "debug"
  log_format    = "json"
  reserved_files = 129
  drain_timeout = "31s"
  zone          = "eu-1"
  probes {
    per_second = 501
    at_once    = 65
  }
}
consul {
  address    = "https://consul.internal:8501/prefix"
  token      = ""
  token_file = "/run/token"
  datacenter = "dc2"
  namespace  = "ns2"
  partition  = "part2"
  wait       = "61s"

  start_jitter = "4s"
  tls {
    ca_file              = "ca.pem"
    cert_file            = "cert.pem"
    key_file             = "key.pem"
    server_name          = "server.dc2.consul"
    insecure_skip_verify = true
  }
}
admin { listen = "[::1]:9918" }
telemetry {
  shutdown_timeout = "6s"
  traces {
    exporters      = ["otlp", "stdout"]
    protocol       = "http/protobuf"
    endpoint       = "https://127.0.0.1:4318"
    compression    = "gzip"
    headers        = { api-key = "1" }
    timeout        = "11s"
    sample_ratio   = 0.25
    trust_incoming = false
    mode           = "client"
    tcp            = true
    span_name      = "upstream"
    tls {
      ca_file              = "t-ca.pem"
      cert_file            = "t-cert.pem"
      key_file             = "t-key.pem"
      server_name          = "t-collector"
      insecure_skip_verify = true
    }
  }
  metrics {
    exporters   = ["prometheus", "otlp"]
    protocol    = "http/protobuf"
    endpoint    = "https://collector.internal/v1"
    compression = "gzip"
    headers     = { api-key = "2" }
    timeout     = "12s"
    interval    = "62s"
    temporality = "delta"

    latency_buckets     = ["1ms", "20ms", "1s"]
    body_size           = true
    connection_duration = true
    backend_limit       = 64
    tls {
      ca_file              = "m-ca.pem"
      cert_file            = "m-cert.pem"
      key_file             = "m-key.pem"
      server_name          = "m-collector"
      insecure_skip_verify = true
    }
  }
  logs {
    exporters   = ["stdout", "otlp"]
    protocol    = "http/protobuf"
    endpoint    = "https://collector.internal/logs"
    compression = "gzip"
    headers     = { api-key = "3" }
    timeout     = "13s"
    level       = "warn"
    tls {
      ca_file              = "l-ca.pem"
      cert_file            = "l-cert.pem"
      key_file             = "l-key.pem"
      server_name          = "l-collector"
      insecure_skip_verify = true
    }
  }
  access_log {
    format           = "json"
    output           = "/var/log/outrigger/access.log"
    sample           = 0.01
    status           = ["404", "500-599"]
    min_duration     = "750ms"
    retried          = true
    failed           = true
    request_headers  = ["User-Agent", "X-Request-ID"]
    response_headers = ["Content-Type"]
    buffer           = "2MiB"
  }
}
service "shop" {
  id                        = "shop-1"
  address                   = "10.0.0.7"
  port                      = 8080
  tags                      = ["v2", "blue"]
  meta                      = { version = "2", "failover_group" = 1 }
  enable_tag_override       = true
  region                    = "eu"
  zone                      = "eu-1"
  deregister_critical_after = "2m"
  deregister_wait           = "7s"
  weights {
    passing = 10
    warning = 0
  }
  check "http" {
    path     = "/ready?deep=1"
    url      = ""
    header   = { Host = "shop.internal" }
    interval = "3s"
    timeout  = "3s"
  }
  check "tcp" {
    address = "10.0.0.7:8081"
    tls     = true
  }
  check "grpc" {
    service  = "shop.Health"
    interval = "1s"
  }
  check "ttl" { ttl = "12s" }
}
upstream "web" {
  listen           = "unix:///run/web.sock"
  protocol         = "http"
  backend_protocol = "h2"
  strategy         = "consistent_hash"
  hash_on          = "cookie:session"
  hash_balance     = 1.25
  shadow_strategy  = "least_connections"
  prefer_zone      = false
  consul {
    service        = "web-service"
    tags           = ["v2", "blue"]
    filter         = "Service.Meta.version == \"2\" and Checks.Status != critical"
    datacenter     = "dc3"
    namespace      = "ns3"
    partition      = "part3"
    near           = "_agent"
    tagged_address = "lan"
    zone_from      = "node_meta:rack"
    priority_from  = "service_meta:failover_group"
    ignore_checks  = ["disk", "slow check"]
    on_empty       = "hold"
    on_empty_hold  = "61s"
    failover { datacenter = "dc4" }
    failover {
      peer      = "west"
      service   = "web-old"
      namespace = "ns4"
      partition = "part4"
    }
  }
  tls {
    ca_file              = "/etc/web/ca.pem"
    cert_file            = "/etc/web/cert.pem"
    key_file             = "/etc/web/key.pem"
    server_name          = "web.internal"
    match                = ["spiffe://example.org/ns/default/*", "dns:web.internal"]
    min_version          = "1.3"
    insecure_skip_verify = false
  }
  sticky {
    cookie = "outrigger"
    ttl    = "1h"
    path   = "/shop"
  }
  slow_start {
    window        = "33s"
    aggression    = 1.5
    least_percent = 12
  }
  subset {
    size   = 20
    client = "7"
  }
  health {
    merge           = "any"
    warning         = "out"
    consul_fall     = "26s"
    panic           = "fail_closed"
    panic_threshold = 51
    max_stale       = "25h"
    check "http" {
      path     = "/ready?deep=1"
      status   = ["200-299", 404, "500"]
      host     = "web.internal:80"
      interval = "7s"
      timeout  = "7s"
      rise     = 4
      fall     = 5

      trust_traffic = true
    }
    ejection {
      consecutive_failures = 6
      base_time            = "32s"
      max_time             = "6m"
      max_percent          = 11
    }
    damping {
      suppress  = 7.5
      reuse     = 2.5
      half_life = "12m"
      max_time  = "50m"
    }
  }
  retry {
    max               = 3
    budget_percent    = 21
    budget_per_second = 12
    on                = ["429", "502-504", "retry-after", "grpc:14"]
    hedge {
      percentile = 99
      least      = "6ms"
    }
  }
  connections {
    idle     = "50s"
    max_idle = 500
    max_age  = "1h"
    warm     = 2
  }
  headers {
    x_forwarded   = false
    via           = false
    forwarded     = true
    request_id    = true
    trusted_peers = ["10.0.0.0/8", "2001:db8::1"]
    request {
      set    = { "X-Client" = "{client_ip}" }
      add    = { "X-Team" = "shop" }
      remove = ["Cookie"]
    }
    response {
      set    = { "X-Backend" = "{backend_id}" }
      add    = { "Vary" = "X-Team" }
      remove = ["Server"]
    }
  }
  timeouts {
    connect    = "2s"
    first_byte = "63s"
    idle       = "8m"
    client     = "7m30s"
    request    = "9s"
    tunnel     = "2h"
    header     = "11s"
    keep_alive = "16m"
  }
  limits {
    max_requests            = 101
    max_connections         = 102
    max_requests_per_server = 103
    max_header_bytes        = "1MiB"
    max_headers             = 99
    max_request_line        = "4KiB"
    max_queue               = 104
    queue_timeout           = "3s"
    rate_limit {
      requests_per_second = 105.5
      burst               = 106
    }
    circuit_breaker {
      failure_percent = 51
      window          = "12s"
      min_requests    = 22
      open_time       = "6s"
      trial_requests  = 4
    }
    adaptive_concurrency {
      min       = 12
      max       = 1200
      tolerance = 2
    }
  }
}
upstream "far" {
  listen = "localhost:9006"
  consul {
    service  = "far"
    peer     = "east"
    on_empty = "drop"
  }
}
upstream "planned" {
  listen = "localhost:9007"
  consul { prepared_query = "nearest-web" }
}
upstream "db" {
  listen       = "localhost:9005"
  protocol     = "tcp"
  accept_proxy = true
  trusted      = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
  send_proxy   = "v2"
  on_remove    = "drain"
  remove_grace = "21s"
  server "a" {
    address         = "db.internal:5432"
    weight          = 7
    max_connections = 104
    zone            = "eu-1"
    priority        = 1
  }
  server "b" { address = "unix:///run/db.sock" }
  health {
    check "grpc" {
      service  = "db.Health"
      interval = "1s"
    }
  }
}
