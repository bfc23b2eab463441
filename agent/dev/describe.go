package dev

import (
	"cmp"
	"fmt"
	"io"

	"github.com/outrigger-sidecar/outrigger/agent/config"
)

// Describe tells people what runs and what to try.
func (d *Demo) Describe(w io.Writer, addresses map[string]string, c config.Config) {
	moved := ""
	if d.Moved {
		moved = " (the usual port was taken)"
	}
	fmt.Fprintf(w, "\nOutrigger runs with a catalog of its own at http://%s%s,\n", d.Address, moved)
	fmt.Fprintf(w, "where these backends are registered as %q:\n\n", service)
	for _, b := range d.backends {
		fmt.Fprintf(w, "  %s  http://%s  %s\n", b.id, b.address, b.character.does)
	}
	fmt.Fprintf(w, "\nTry\n\n")
	try := func(command, what string) { fmt.Fprintf(w, "  %-58s %s\n", command, what) }
	for _, u := range c.Upstreams {
		if u.Protocol == "http" {
			try("curl http://"+addresses[u.Name], "call "+u.Name+" through the agent")
		}
	}
	admin := addresses["admin"]
	flag := ""
	if admin != config.Default().Admin.Listen {
		flag = " -admin " + admin
	}
	try("outrigger status"+flag, "how each upstream is doing (or: go run . status)")
	if len(c.Upstreams) > 0 {
		try("outrigger explain "+c.Upstreams[0].Name+flag, "why each backend gets the traffic it gets")
	}
	try("curl http://"+admin+"/metrics", "metrics")
	first := "http://" + d.backends[0].address
	try("curl -X POST "+first+"/demo/fail", "make one fail, and see it leave;")
	try("curl -X POST "+first+"/demo/ok", "and come back")
	try("curl -X POST "+first+"/demo/slow", "make it slow")
	try("curl -X POST "+first+"/demo/crash", fmt.Sprintf("make it crash, for %d s", int(crashTime.Seconds())))
	try(fault(d.Address), "have the catalog err, and see that nothing is lost;")
	try(clearFaults(d.Address), "and be well again")
	fmt.Fprintf(w, "\nCtrl-C ends it.\n\n")
}

// Describe tells people what runs and what to try.
func (c *Catalog) Describe(w io.Writer) {
	fmt.Fprintf(w, "\nA catalog answers as Consul does at http://%s. What it holds is gone when it ends.\n\nTry\n", c.Address)
	try := func(what, command string) { fmt.Fprintf(w, "\n  # %s\n  %s\n", what, command) }
	curl, base := "curl ", "http://"+c.Address+"/v1"
	if c.options.Policy != "" {
		try("be allowed everything", "export CONSUL_HTTP_TOKEN="+cmp.Or(c.secret, "SECRET # of -token"))
		curl += `-H "X-Consul-Token: $CONSUL_HTTP_TOKEN" `
	}
	try("register a service", curl+`-X PUT -d '{"Name": "web", "Port": 8081}' `+base+"/agent/service/register")
	try("see it, and its X-Consul-Index", curl+"-i "+base+"/health/service/web")
	try("watch it: the answer comes once it has another index", curl+"'"+base+"/health/service/web?wait=1m&index=INDEX'")
	try("take it out", curl+"-X PUT "+base+"/agent/service/deregister/web")
	try("have an agent use the catalog", "CONSUL_HTTP_ADDR="+c.Address+" outrigger agent -config PATH")
	if c.options.Faults {
		try("have it err, as Consul does without a leader", fault(c.Address))
		try("be well again", clearFaults(c.Address))
	}
	fmt.Fprintf(w, "\nCtrl-C ends it.\n\n")
}

// fault switches on one that an agent has to live with.
func fault(address string) string {
	return "curl -X PUT 'http://" + address + "/v1/dev/fault?kind=no-leader'"
}

func clearFaults(address string) string { return "curl -X DELETE http://" + address + "/v1/dev/fault" }
