package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const web = `upstream "web" {
  listen = "127.0.0.1:9001"
  consul { service = "web" }
}
`

// write makes files in a new directory, which becomes the current one.
func write(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func upstream(name, port, more string) string {
	return `upstream "` + name + `" {
  listen = "127.0.0.1:` + port + `"
  consul { service = "` + name + `" }
` + more + `}
`
}

func TestLoadMerges(t *testing.T) {
	write(t, map[string]string{
		"main.hcl":         "agent { name = \"shop\" }\n" + upstream("z", "9001", ""),
		"conf.d/20.hcl":    upstream("b", "9003", ""),
		"conf.d/10.hcl":    upstream("c", "9002", ""),
		"conf.d/.#10.hcl":  "not HCL",
		"conf.d/notes.txt": "not HCL",
		"conf.d/d.hcl/x":   "not HCL",
	})
	c, diags := Load("main.hcl", "conf.d", "./conf.d/20.hcl")
	if diags != nil {
		t.Fatal(diags)
	}
	var names []string
	for _, u := range c.Upstreams {
		names = append(names, u.Name)
	}
	if want := []string{"z", "c", "b"}; !slices.Equal(names, want) {
		t.Errorf("upstreams %v, want %v", names, want)
	}
	if c.Agent.Name != "shop" || c.Agent.LogLevel != "info" {
		t.Errorf("agent = %+v", c.Agent)
	}
}

// TestLoadReportsAllFiles finds the mistakes of every file at once, those that
// lie between two files too, sorted.
func TestLoadReportsAllFiles(t *testing.T) {
	write(t, map[string]string{
		"b.hcl":         "agent { log_level = \"loud\" }\nadmin { listen = \"off\" }\n" + upstream("web", "9001", ""),
		"a.hcl":         "agent { name = \"shop\" }\n" + upstream("web", "9001", "  strategy = \"best\"\n"),
		"broken.hcl":    "upstream \"x\" {\n  listen = \n  strategy = \"rnadom\"\n}\n",
		"empty/no.conf": "",
	})
	if err := os.Mkdir("links", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("absent", "links/x.hcl"); err != nil {
		t.Fatal(err)
	}
	_, diags := Load("b.hcl", "a.hcl", "broken.hcl", "absent.hcl", "empty", "links")
	want := []string{
		"a.hcl:1 this is a second agent block",
		`a.hcl:2 this is a second upstream "web"`,
		`a.hcl:3 listen "127.0.0.1:9001" is taken by upstream "web" at b.hcl:4`,
		`a.hcl:5 strategy "best" is unknown`,
		"absent.hcl:0 cannot read the configuration",
		`b.hcl:1 log_level "loud" is unknown`,
		"broken.hcl:2 invalid expression",
		`broken.hcl:3 strategy "rnadom" is unknown`,
		"empty:0 cannot read the configuration",
		"links/x.hcl:0 cannot read the configuration",
	}
	var got []string
	for _, d := range diags {
		got = append(got, line(hclRange(d))+" "+d.Summary)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestLoadOfNothing(t *testing.T) {
	if _, diags := Load(); !diags.HasErrors() {
		t.Error("no file at all is no mistake")
	}
}

// TestErrorsGiveNoConfig keeps half a configuration from being used.
func TestErrorsGiveNoConfig(t *testing.T) {
	c, _ := Parse("agent.hcl", []byte(web+"bogus = 1\n"))
	if !reflect.DeepEqual(c, Config{}) {
		t.Errorf("with errors the Config is %+v", c)
	}
}

func TestDefaults(t *testing.T) {
	c, diags := Parse("agent.hcl", []byte(web))
	if diags != nil {
		t.Fatal(diags)
	}
	u := DefaultUpstream("web")
	u.Listen, u.Consul = "127.0.0.1:9001", &Service{Name: "web", ZoneFrom: "locality"}
	want := Default()
	want.Upstreams = []Upstream{u}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
	if u.Timeouts.FirstByte != time.Minute || u.Limits.MaxHeaderBytes != 65536 || u.Health.Check != nil {
		t.Errorf("defaults of an upstream: %+v", u)
	}
	if d := Default(); d.Admin.Listen != "127.0.0.1:9917" || d.Upstreams != nil {
		t.Errorf("defaults: %+v", d)
	}
}

// TestServiceAlone takes an agent that only registers its app.
func TestServiceAlone(t *testing.T) {
	c, diags := Parse("agent.hcl", []byte(`service "shop" {
  port = 8080
  check "http" { url = "https://shop.internal:8443/health?deep=1" }
  check "ttl" {
    ttl     = "3s"
    timeout = "500ms"
  }
}`))
	if diags != nil {
		t.Fatal(diags)
	}
	s := c.Service
	if s.Name != "shop" || s.Port != 8080 || s.DeregisterWait != 5*time.Second || s.Weights != (Weights{1, 1}) || len(s.Checks) != 2 {
		t.Errorf("%+v", s)
	}
	if ttl := s.Checks[1]; ttl.Interval != time.Second || ttl.Timeout != 500*time.Millisecond {
		t.Errorf("ttl: %+v", ttl)
	}
}

// TestEqualFiles says one thing in two ways, which must not look like a change
// to a reload.
func TestEqualFiles(t *testing.T) {
	a, diags := Parse("a.hcl", []byte(web+`service "shop" {
  port = 8080
  check "tcp" {}
}`))
	if diags != nil {
		t.Fatal(diags)
	}
	b, diags := Parse("b.hcl", []byte(`
telemetry {
  traces { exporters = [] }
}
service shop {
  port = "8080"
  tags = []
  meta = {}
  check tcp { tls = false }
}
upstream web {
  consul {
    tags    = []
    near    = null
    service = "web"
  }
  timeouts { connect = "1000ms" }
  limits { max_header_bytes = 65536 }
  listen = "127.0.0.1:${9000 + 1}"
}`))
	if diags != nil {
		t.Fatal(diags)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("a: %+v\nb: %+v", a, b)
	}
}

func TestEnvironmentAndFiles(t *testing.T) {
	write(t, map[string]string{
		"conf/token":     "5ecret\r\n",
		"conf/agent.hcl": upstream("web", "${env.TEST_PORT}", "  retry { max = env.TEST_MAX }\n") + "consul { token = file(\"token\") }\nadmin { listen = env[\"TEST_ADMIN\"] }\n",
	})
	t.Setenv("TEST_PORT", "9005")
	t.Setenv("TEST_MAX", "7")
	t.Setenv("TEST_ADMIN", "off")
	c, diags := Load("conf")
	if diags != nil {
		t.Fatal(diags)
	}
	if c.Consul.Token != "5ecret" || c.Admin.Listen != "off" {
		t.Errorf("token %q, admin %q", c.Consul.Token, c.Admin.Listen)
	}
	if u := c.Upstreams[0]; u.Listen != "127.0.0.1:9005" || u.Retry.Max != 7 {
		t.Errorf("upstream = %+v", u)
	}
}

// TestOnlyALiteralTokenIsWorthAWarning lets a template of variables pass.
func TestOnlyALiteralTokenIsWorthAWarning(t *testing.T) {
	t.Setenv("TEST_TOKEN", "5ecret")
	for value, warnings := range map[string]int{`"5ecret"`: 1, `env.TEST_TOKEN`: 0, `"${env.TEST_TOKEN}"`: 0, `"x-${env.TEST_TOKEN}"`: 0, `""`: 0} {
		_, diags := Parse("agent.hcl", []byte(web+"consul { token = "+value+" }\n"))
		if len(diags) != warnings || diags.HasErrors() {
			t.Errorf("token = %s: %v", value, diags)
		}
	}
}

// TestFileIsBounded keeps file() from reading what is not for it.
func TestFileIsBounded(t *testing.T) {
	write(t, map[string]string{"large": strings.Repeat("x", maxFile+1)})
	for _, path := range []string{"large", os.DevNull, "."} {
		if _, diags := Parse("agent.hcl", []byte(web+"agent { name = file(\""+path+"\") }\n")); !diags.HasErrors() {
			t.Errorf("file(%q) was read", path)
		}
	}
}

func TestStrategyGoesByProtocol(t *testing.T) {
	for protocol, want := range map[string]string{"http": "least_response_time", "tcp": "least_connections"} {
		for written, want := range map[string]string{"": want, `strategy = "random"`: "random"} {
			c, diags := Parse("agent.hcl", []byte(`
upstream "a" {
  listen   = "127.0.0.1:9001"
  protocol = "`+protocol+`"
  `+written+`
  server "b" { address = "127.0.0.1:1" }
}`))
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if got := c.Upstreams[0].Strategy; got != want {
				t.Errorf("%s with %q has strategy %q, want %q", protocol, written, got, want)
			}
		}
	}
}
