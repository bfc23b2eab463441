package agent

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/config"
	"github.com/outrigger-sidecar/outrigger/agent/proxy"
	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/telemetry"
)

// accessLines are the lines of a file, in order, once there are n: a client may
// have its answer before there is the line.
func accessLines(t *testing.T, path string, n int) (lines []string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s has %d lines", filepath.Base(path), n), func() bool {
		text, _ := os.ReadFile(path)
		lines = strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		return len(text) > 0 && len(lines) >= n
	})
	if len(lines) != n {
		t.Fatalf("%d lines, not %d: %q", len(lines), n, lines)
	}
	slices.Sort(lines)
	return lines
}

// logging is the configuration of an upstream whose requests are traced, and
// logged as the block says. Of its two servers nobody listens at one.
func logging(t *testing.T, to, block, good string) config.Config {
	return parse(t, `
		telemetry {
			traces {
				exporters = ["otlp"]
				protocol  = "http/protobuf"
				endpoint  = %q
			}
			access_log {
				%s
			}
		}
		upstream "web" {
			listen   = "127.0.0.1:0"
			strategy = "round_robin"
			server "gone" { address = "127.0.0.1:1" }
			server "good" {
				address = %q
				zone    = "z1"
			}
		}`, to, block, good)
}

// chatty answers with the status that the path ends with.
func chatty(t *testing.T) string {
	return handler(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Kind", "test")
		var status int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &status); err == nil {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, "hello")
	})
}

func post(t *testing.T, url string) *http.Response {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("an order"))
	r.Header.Set("User-Agent", "shop \"1\"")
	r.Header.Set("Authorization", "secret")
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	http.DefaultClient.CloseIdleConnections()
	return resp
}

// Each format says what became of a request.
func TestAccessLogFormats(t *testing.T) {
	for name, test := range map[string]struct{ block, want string }{
		"json": {
			`format = "json"
			request_headers = ["User-Agent"]
			response_headers = ["X-Kind", "X-None"]`,
			`\{"time":"20\d\d-.*Z","client":"127.0.0.1","method":"POST","path":"/201/x","protocol":"HTTP/1.1","status":201,"bytes_in":8,"bytes_out":5,` +
				`"duration":0\.\d{6},"upstream_time":0\.\d{6},"attempts":2,"upstream":"web","backend":"good","zone":"z1","outcome":"ok",` +
				`"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"[0-9a-f]{16}",` +
				`"request_headers":\{"User-Agent":"shop \\"1\\""\},"response_headers":\{"X-Kind":"test"\}\}`,
		},
		"common": {`format = "common"`, `127\.0\.0\.1 - - \[\d\d/...\/20\d\d:.*\] "POST /201/x HTTP/1.1" 201 5`},
		"a string": {
			`format = "{method} {status} {attempts} {backend} {error} {response_header:X-Kind} \"{request_header:User-Agent}\""`,
			`POST 201 2 good - test "shop \\"1\\""`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "access.log")
			a := run(t, logging(t, startCollector(t).url, test.block+fmt.Sprintf("\noutput = %q\n", path), chatty(t)))
			for range 2 { // of which one is tried at both
				post(t, a.url("web")+"/201/x?token=secret")
			}
			lines, want := accessLines(t, path, 2), regexp.MustCompile("^"+test.want+"$")
			if !slices.ContainsFunc(lines, want.MatchString) {
				t.Errorf("%q", lines)
			}
		})
	}
}

// A caller's trace goes on where the agent has no tracing of its own, and a line
// says which it is.
func TestAccessLogWithoutTracing(t *testing.T) {
	for _, metrics := range []string{"prometheus", "none"} {
		path := filepath.Join(t.TempDir(), "access.log")
		a := run(t, parse(t, `
			telemetry {
				metrics { exporters = [%q] }
				access_log {
					format = "{path} {trace_id} {span_id}"
					output = %q
				}
			}
			upstream "web" {
				listen = "127.0.0.1:0"
				server "good" { address = %q }
			}`, metrics, path, chatty(t)))
		post(t, a.url("web")+"/200")
		if got := accessLines(t, path, 1); got[0] != "/200 0af7651916cd43dd8448eb211c80319c -" {
			t.Errorf("metrics to %s: %q", metrics, got)
		}
	}
}

func TestAccessLogFilters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	filtered := func(block string) *running {
		return run(t, logging(t, startCollector(t).url, fmt.Sprintf("format = \"{path} {attempts} {outcome}\"\nsample = 0\noutput = %q\n%s", path, block), chatty(t)))
	}
	a := filtered(`status = ["500-599"]`)
	for _, p := range []string{"/200", "/500", "/404", "/503"} {
		post(t, a.url("web")+p)
	}
	for i, line := range accessLines(t, path, 2) {
		if !strings.HasPrefix(line, []string{"/500 ", "/503 "}[i]) || !strings.HasSuffix(line, " failed") {
			t.Errorf("%q", line)
		}
	}
	_ = os.Remove(path)
	a = filtered(`retried = true`)
	for range 6 {
		post(t, a.url("web")+"/200")
	}
	for _, line := range accessLines(t, path, int(a.upstream("web").meter.Retries.Load())) {
		if line != "/200 2 ok" {
			t.Errorf("%q", line)
		}
	}
}

// A reload switches the log on and off and to another file, and a rotation has
// it go on in a new one. No line is lost, and the counts never fall.
func TestAccessLogOverReloads(t *testing.T) {
	dir, good, to := t.TempDir(), chatty(t), startCollector(t).url
	first, second := filepath.Join(dir, "first.log"), filepath.Join(dir, "second.log")
	block := func(path string) string { return fmt.Sprintf("format = \"{path}\"\noutput = %q", path) }
	off := logging(t, to, `format = "off"`, good)
	a := run(t, off)
	reload := func(c config.Config) {
		t.Helper()
		if err := a.Reload(c); err != nil {
			t.Fatal(err)
		}
	}
	call := func(path string) { t.Helper(); get(t, a.url("web")+path) }
	call("/unseen")
	reload(logging(t, to, block(first), good))
	call("/a")
	accessLines(t, first, 1)
	reload(logging(t, to, block(second), good))
	call("/b")
	accessLines(t, second, 1) // and then it is renamed
	if err := os.Rename(second, first+".1"); err != nil {
		t.Fatal(err)
	}
	a.Reopen()
	call("/c")
	if err := a.Reload(logging(t, to, block(filepath.Join(dir, "no", "dir")), good)); err == nil {
		t.Error("a file that cannot be opened was put in force")
	}
	call("/d")
	for path, want := range map[string][]string{first: {"/a"}, first + ".1": {"/b"}, second: {"/c", "/d"}} {
		if got := accessLines(t, path, len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q", path, got)
		}
	}
	reload(off)
	call("/unseen")
	eventually(t, "all is counted", func() bool {
		_, text := get(t, a.url("admin")+"/metrics")
		return strings.Contains(text, `outrigger_access_log_lines_total{result="written"} 4`)
	})
	if log := a.log.String(); strings.Contains(log, "next start only") {
		t.Errorf("logged:\n%s", log)
	}
}

// While logs are exchanged under load each request has one line.
func TestAccessLogIsExchangedUnderLoad(t *testing.T) {
	dir, good, collector := t.TempDir(), chatty(t), startCollector(t).url
	to := func(n int) config.Config {
		return logging(t, collector, fmt.Sprintf("format = \"{path}\"\noutput = %q", filepath.Join(dir, fmt.Sprint(n))), good)
	}
	a := run(t, to(0))
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			resp, err := client.Get(fmt.Sprintf("%s/200/%d", a.url("web"), n))
			if err != nil {
				t.Error(err)
				done <- n
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}()
	for n := range 20 {
		if err := a.Reload(to(n)); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Millisecond) // some requests each
	}
	close(stop)
	total := <-done
	if err := a.end(t); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for n := range 20 {
		text, _ := os.ReadFile(filepath.Join(dir, fmt.Sprint(n)))
		for line := range strings.Lines(string(text)) {
			seen[line]++
		}
	}
	if lines := a.access.lines(); len(seen) != total || lines.Written != int64(total) || lines.Dropped+lines.Failed != 0 {
		t.Errorf("%d lines of %d requests: %+v", len(seen), total, lines)
	}
}

// Where there is no log requests are not even looked at; where there is one
// they cost no memory.
func TestAccessLogCostsNoMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes memory of its own")
	}
	for _, format := range []string{"off", "json"} {
		var log access
		l, err := log.open(config.AccessLog{
			Format: format, Sample: 1, Output: os.DevNull,
			RequestHeaders: []string{"User-Agent"}, ResponseHeaders: []string{"X-Kind"},
		})
		if err != nil {
			t.Fatal(err)
		}
		log.put(l)
		told, err := telemetry.Setup(t.Context(), telemetry.Config{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		o := &logged{Observer: told.Observer("web", nil), access: &log, upstream: "web"}
		var r, out message.Request
		r.Method, r.Target, r.Major, r.Minor = []byte("GET"), []byte("/orders/7?x=1"), 1, 1
		r.Header.AddNamed("User-Agent", "shop")
		var answer message.Response
		answer.Status = 200
		answer.Header.AddNamed("X-Kind", "test")
		server, good := &lb.Server{ID: "a", Zone: "z1"}, proxy.Result{Status: 200, GRPC: -1, Attempts: 1, Took: time.Millisecond}
		n := testing.AllocsPerRun(1000, func() {
			x := o.Begin(&r)
			a := x.Attempt(&out, server, 0, "")
			x.Answer(&answer)
			a.End(good)
			x.End(good)
		})
		log.stop()
		if n != 0 {
			t.Errorf("%s: %v allocations", format, n)
		}
		if lines := log.lines(); format == "json" && lines.Written+lines.Dropped != 1001 {
			t.Errorf("%+v", lines)
		}
		if err := told.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
