package config_test

import (
	"fmt"

	"github.com/outrigger-sidecar/outrigger/agent/config"
)

func ExampleParse() {
	c, _ := config.Parse("agent.hcl", []byte(`
upstream "payments" {
  listen = "127.0.0.1:9001"
  consul { service = "payments" }
}
`))
	u := c.Upstreams[0]
	fmt.Println(u.Name, u.Listen, u.Strategy, u.Timeouts.Connect)
	// Output: payments 127.0.0.1:9001 least_response_time 1s
}

func ExampleDiagnostics() {
	_, diags := config.Parse("agent.hcl", []byte(`
upstream "payments" {
  listen   = "127.0.0.1:9001"
  strategy = "least_conections"
  consul { service = "payments" }
}
`))
	fmt.Println(diags.HasErrors())
	fmt.Println(diags.Error())
	// Output:
	// true
	// agent.hcl:4,14-32: strategy "least_conections" is unknown; did you mean "least_connections"?
	//       strategy = "least_conections"
	//                  ^^^^^^^^^^^^^^^^^^
}
