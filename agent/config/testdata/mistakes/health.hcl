upstream "a" {
  listen = "127.0.0.1:9001"
  consul { service = "a" }
  health {
    merge           = "best"
    warning         = "pass"
    consul_fall     = "-1s"
    panic           = "closed"
    panic_threshold = 101
    max_stale       = "0s"
    check "http" {
      path     = "health"
      status   = ["2xx", "399-200", 200, "700"]
      host     = "http://web"
      service  = "web"
      interval = "0s"
      timeout  = "-1s"
      rise     = 0
      fall     = -1

      trust_traffic = "often"
    }
    ejection {
      consecutive_failures = -1
      base_time            = "10m"
      max_percent          = "150"
    }
  }
}
upstream "b" {
  listen = "127.0.0.1:9002"
  consul { service = "b" }
  health {
    check "http" {
      path    = "/a b"
      status  = []
      timeout = "6s"
    }
  }
}
upstream "c" {
  listen = "127.0.0.1:9003"
  consul { service = "c" }
  health {
    check "htp" { path = "/" }
  }
}
upstream "d" {
  listen = "127.0.0.1:9004"
  consul { service = "d" }
  health {
    check { rise = 1 }
  }
}
# A faulty value leads to no further mistakes.
upstream "e" {
  listen = "127.0.0.1:9005"
  consul { service = "e" }
  health {
    check "http" {
      interval = "20"
      timeout  = "10s"
    }
    ejection {
      base_time = "10m"
      max_time  = "20"
    }
  }
}
upstream "f" {
  listen = "127.0.0.1:9006"
  consul { service = "f" }
  health {
    ejection { max_time = "20s" }
  }
}
upstream "g" {
  listen = "127.0.0.1:9007"
  consul { service = "g" }
  health {
    panic           = "off"
    panic_threshold = 20
  }
}
upstream "h" {
  listen = "127.0.0.1:9008"
  consul { service = "h" }
  health {
    damping {
      suppress  = 1
      reuse     = 0
      half_life = "1ms"
      max_time  = "0s"
    }
  }
}
upstream "i" {
  listen = "127.0.0.1:9009"
  consul { service = "i" }
  health {
    damping { reuse = 6 }
  }
}
