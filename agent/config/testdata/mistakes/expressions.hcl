agent {
  name      = env.OUTRIGGER_TEST_UNSET
  data_dir  = env["OUTRIGGER_TEST_UNSET"]
  log_level = info
}
consul {
  token      = env.OUTRIGGER_TEST_UNSET
  token_file = files("token")
  datacenter = env
  namespace  = "${env.OUTRIGGER_TEST_UNSET}-a"
  partition  = env[0]
}
upstream "a" {
  listen = "127.0.0.1:9001"
  consul {
    service = file("absent")
    tags    = [for tag in ["a"] : tag]
    near    = file(".")
  }
}
