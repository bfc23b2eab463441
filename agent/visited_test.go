package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// carrying is the configuration of an upstream that carries connections to a
// backend that refuses them and to a good one.
func carrying(t *testing.T, block, good string) *running {
	r := run(t, parse(t, `
		telemetry {
			access_log {
				%s
			}
		}
		upstream "lines" {
			listen   = "127.0.0.1:0"
			protocol = "tcp"
			strategy = "first"
			server "gone" { address = "127.0.0.1:1" }
			server "good" {
				address = %q
				zone    = "z1"
			}
		}
		upstream "nobody" {
			listen   = "127.0.0.1:0"
			protocol = "tcp"
			server "gone" { address = "127.0.0.1:1" }
		}`, block, good))
	eventually(t, "it listens", func() bool { return r.Addresses()["nobody"] != "" })
	return r
}

// chat has one connection to an upstream, until its end.
func chat(t *testing.T, r *running, upstream string) {
	c := connect(t, r.Addresses()[upstream])
	_, _ = io.WriteString(c, "hello\n")
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	_, _ = io.ReadAll(c)
}

// Each format says what became of a connection, once it has ended.
func TestAccessLogOfConnections(t *testing.T) {
	for name, test := range map[string]struct{ block, good, gone string }{
		"json": {
			`format = "json"`,
			`\{"time":"20\d\d-.*Z","client":"127.0.0.1","protocol":"TCP","bytes_in":6,"bytes_out":10,"duration":\d\.\d{6},"upstream_time":0\.\d{6},` +
				`"attempts":2,"upstream":"lines","backend":"good","zone":"z1","outcome":"ok"\}`,
			`\{"time":"20\d\d-.*Z","client":"127.0.0.1","protocol":"TCP","bytes_in":0,"bytes_out":0,"duration":0\.\d{6},"upstream_time":0\.\d{6},` +
				`"attempts":1,"upstream":"nobody","backend":"gone","outcome":"failed","error":"connect_refused"\}`,
		},
		"common": {
			`format = "common"`,
			`127\.0\.0\.1 - - \[\d\d/...\/20\d\d:.*\] "- - TCP" - 10`,
			`127\.0\.0\.1 - - \[\d\d/...\/20\d\d:.*\] "- - TCP" - 0`,
		},
		"a string": {
			`format = "{upstream} {status} {attempts} {backend} {outcome} {error} {trace_id} {response_header:X-Kind} \"{request_header:User-Agent}\""`,
			`lines - 2 good ok - - - "-"`,
			`nobody - 1 gone failed connect_refused - - "-"`,
		},
		"failed ones": {
			"format = \"{upstream}\"\nsample = 0\nfailed = true", "", "nobody",
		},
		"retried ones": {
			"format = \"{upstream}\"\nsample = 0\nretried = true", "lines", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "access.log")
			r := carrying(t, fmt.Sprintf("%s\noutput = %q", test.block, path), namingBackend(t, "a:1"))
			chat(t, r, "lines")
			chat(t, r, "nobody")
			if err := r.end(t); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{test.good, test.gone} {
				line, rest, _ := strings.Cut(string(text), "\n")
				if want == "" {
					continue
				}
				if text = []byte(rest); !regexp.MustCompile("^" + want + "$").MatchString(line) {
					t.Errorf("%s\nis not %s", line, want)
				}
			}
			if len(text) > 0 {
				t.Errorf("there is %q too", text)
			}
		})
	}
}

// What apps see, what has a line in the access log and what metrics count is
// one and the same, whatever becomes of connections, to the last byte.
func TestConservationOfConnections(t *testing.T) {
	to, path := startCollector(t), filepath.Join(t.TempDir(), "access.log")
	r := run(t, parse(t, `
		agent { drain_timeout = "200ms" }
		telemetry {
			metrics {
				exporters = ["otlp"]
				protocol  = "http/protobuf"
				endpoint  = %q
			}
			access_log {
				format = "json"
				output = %q
			}
		}
		upstream "lines" {
			listen   = "127.0.0.1:0"
			protocol = "tcp"
			strategy = "round_robin"
			server "gone" { address = "127.0.0.1:1" }
			server "good" { address = %q }
		}
		upstream "picky" {
			listen       = "127.0.0.1:0"
			protocol     = "tcp"
			accept_proxy = true
			server "good" { address = %q }
		}
		upstream "nobody" {
			listen   = "127.0.0.1:0"
			protocol = "tcp"
			server "gone" { address = "127.0.0.1:1" }
		}`, to.url, path, namingBackend(t, "a"), namingBackend(t, "b")))
	eventually(t, "it listens", func() bool { return r.Addresses()["nobody"] != "" })
	const each = 25
	var all sync.WaitGroup
	repeat := func(upstream string, f func(*talk)) {
		all.Go(func() {
			for range each {
				f(connect(t, r.Addresses()[upstream]))
			}
		})
	}
	ends := func(c *talk) {
		_, _ = io.WriteString(c, "hello\n")
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		_, _ = io.ReadAll(c)
	}
	breaks := func(c *talk) { // what was sent, and what of it, is up to the network
		c.hear()
		_ = c.Conn.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	leaves := func(c *talk) { _ = c.Close() }
	for _, f := range []func(*talk){ends, breaks, leaves} {
		repeat("lines", f)
	}
	repeat("picky", ends)
	repeat("nobody", ends)
	all.Wait()
	stays := connect(t, r.Addresses()["lines"]) // until the drain cuts it
	stays.hear()
	if err := r.end(t); err != nil {
		t.Fatal(err)
	}

	lines, in, out := make(map[string]int64), int64(0), int64(0)
	total, retried := int64(0), int64(0)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e struct {
			Upstream, Protocol, Error string
			Attempts                  int64
			In                        int64 `json:"bytes_in"`
			Out                       int64 `json:"bytes_out"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Protocol != "TCP" {
			t.Fatalf("%v: %s", err, line)
		}
		lines[e.Upstream+" "+e.Error]++
		in, out, total = in+e.In, out+e.Out, total+1
		retried += max(0, e.Attempts-1)
	}
	measured, carried := make(map[string]int64), make(map[string]int64)
	for _, p := range to.metrics["outrigger.tcp.connections"].GetSum().DataPoints {
		if labels := textsOf(p.Attributes); p.GetAsInt() > 0 {
			measured[labels["outrigger.upstream.name"]+" "+labels["error.type"]] += p.GetAsInt()
		}
	}
	for _, p := range to.metrics["outrigger.tcp.io"].GetSum().DataPoints {
		carried[textsOf(p.Attributes)["network.io.direction"]] += p.GetAsInt()
	}
	var retries int64
	for _, n := range to.sums["outrigger.retries"] {
		retries += int64(n)
	}
	if retries != retried || retried == 0 {
		t.Errorf("lines have %d retries, metrics %d", retried, retries)
	}
	t.Logf("%v; %d bytes in, %d out", lines, in, out)
	if total != 5*each+1 {
		t.Errorf("%d lines of %d connections", total, 5*each+1)
	}
	if !maps.Equal(lines, measured) {
		t.Errorf("lines are of %v, metrics of %v", lines, measured)
	}
	if carried["transmit"] != in || carried["receive"] != out || in == 0 {
		t.Errorf("lines have %d bytes in and %d out, metrics %v", in, out, carried)
	}
}

// Where they are wanted a connection has a span, with how it went.
func TestSpansOfConnections(t *testing.T) {
	to := startCollector(t)
	r := run(t, parse(t, `
		telemetry {
			traces {
				exporters = ["otlp"]
				protocol  = "http/protobuf"
				endpoint  = %q
				span_name = "upstream"
				tcp       = true
			}
		}
		upstream "lines" {
			listen   = "127.0.0.1:0"
			protocol = "tcp"
			server "good" { address = %q }
		}`, to.url, namingBackend(t, "a:1")))
	chat(t, r, "lines")
	if err := r.end(t); err != nil {
		t.Error(err)
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	if len(to.spans) != 1 || to.spans[0].Name != "TCP lines" || to.spans[0].EndTimeUnixNano <= to.spans[0].StartTimeUnixNano {
		t.Errorf("%v", to.spans)
	}
}
