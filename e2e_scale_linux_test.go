package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	report "github.com/outrigger-sidecar/outrigger/agent"
)

// TestFigures holds the program to figures, and prints what they are:
//
//	go test -run Figures -v .
func TestFigures(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("takes half a minute, and is about the program as it is released")
	}
	program := binary(t)
	t.Run("ten thousand instances", func(t *testing.T) { testTenThousandInstances(t, program) })
	t.Run("idle upstreams", func(t *testing.T) { testIdleUpstreams(t, program) })
}

// testTenThousandInstances is P10: one service of ten thousand instances, of
// which one in a hundred is replaced every second, while the app goes on
// calling. The agent and the catalog are processes of their own, so that it is
// the agent's memory which is looked at; it calls a part of the crowd, as one of
// many does, since connections to all would be most of that. A real Consul would
// take minutes to be told of so many.
func testTenThousandInstances(t *testing.T, program string) {
	const instances, perSecond = 10_000, 100
	ports := freePorts(t, 3)
	c := newCrowd(t, program, ports[0])
	c.register(t, 0, instances)

	upstream, admin := "127.0.0.1:"+ports[1], "127.0.0.1:"+ports[2]
	agent := startAgent(t, program, fmt.Sprintf(`
consul { address = %q }
admin { listen = %q }
upstream "web" {
  listen = %q
  consul { service = "web" }
  subset { size = 128 }
}
`, c.address, admin, upstream))
	eventually(t, "all are up", func() error {
		var status report.Status
		if err := json.Unmarshal([]byte(fetch("http://"+admin+"/v1/status")), &status); err != nil || len(status.Upstreams) != 1 || status.Upstreams[0].Backends["up"] != instances {
			return fmt.Errorf("%+v, %w", status, err)
		}
		return nil
	})
	l := startPaced("http://"+upstream+"/", 4, 10*time.Millisecond)
	l.phase("warm")
	time.Sleep(500 * time.Millisecond)
	before, next := applied(t, admin), instances
	for range 2 {
		l.phase("quiet")
		time.Sleep(time.Second)
		l.phase("churn")
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
			tick := time.Now()
			const at = perSecond / 10
			c.deregister(t, next-instances, next-instances+at)
			c.register(t, next, next+at)
			next += at
			time.Sleep(time.Until(tick.Add(time.Second / 10)))
		}
	}
	took, after, memory := l.end(t), applied(t, admin), resident(t, agent.Process.Pid)

	answers := after.count - before.count
	mean := time.Duration((after.sum - before.sum) / max(1, answers) * float64(time.Second))
	quiet, churn := took["quiet"], took["churn"]
	t.Logf("%.0f answers in force after %v in the mean; %d MiB resident at most; %v of processor time; calls take %v and %v (median and p99), and %v and %v while it churns",
		answers, mean, memory>>20, processor(t, agent.Process.Pid), quantile(quiet, 0.5), quantile(quiet, 0.99), quantile(churn, 0.5), quantile(churn, 0.99))
	if memory > 120<<20 || answers < 1 {
		t.Errorf("%.0f answers, %d bytes", answers, memory)
	}
	if busy(t) {
		return
	}
	if mean > 250*time.Millisecond {
		t.Errorf("an answer is in force after %v", mean)
	}
	// On two processors it is the catalog, which writes down all ten thousand
	// each time, that calls wait for.
	if p99 := quantile(churn, 0.99); p99 > quantile(quiet, 0.99)+25*time.Millisecond {
		t.Errorf("p99 is %v, and %v while it churns", quantile(quiet, 0.99), p99)
	}
}

// measured are answers of Consul, and the seconds until they were in force.
type measured struct{ count, sum float64 }

func applied(t *testing.T, admin string) (m measured) {
	t.Helper()
	page := fetch("http://" + admin + "/metrics")
	for name, into := range map[string]*float64{"count": &m.count, "sum": &m.sum} {
		found := regexp.MustCompile(`(?m)^outrigger_discovery_propagation_duration_seconds_` + name + `\{.*\} (.*)$`).FindStringSubmatch(page)
		if found == nil {
			t.Fatal("the metrics do not tell how long answers take")
		}
		*into, _ = strconv.ParseFloat(found[1], 64)
	}
	return m
}

// busy tells whether others use this machine so much that times say nothing.
func busy(t *testing.T) bool {
	t.Helper()
	var load float64
	raw, err := os.ReadFile("/proc/loadavg")
	if _, scan := fmt.Sscan(string(raw), &load); err != nil || scan != nil {
		t.Fatal(err, scan)
	}
	if load > 3*float64(runtime.NumCPU()) {
		t.Logf("the load is %.1f: times are not looked at", load)
		return true
	}
	return false
}

// crowd is a catalog of many instances at as many addresses of this machine,
// all of which answer.
type crowd struct {
	address string // of the catalog
	port    int    // of the instances
	client  *http.Client
}

func newCrowd(t *testing.T, program, port string) *crowd {
	t.Helper()
	// A listener on all addresses would let other machines in; this one hears
	// the loopback interface alone.
	listen := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		bind := func(fd uintptr) {
			err = syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, "lo")
		}
		return errors.Join(c.Control(bind), err)
	}}
	l, err := listen.Listen(t.Context(), "tcp4", "0.0.0.0:0")
	if err != nil {
		t.Skipf("cannot listen on many loopback addresses: %v", err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "well") })}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })

	c := &crowd{address: "127.0.0.1:" + port, port: l.Addr().(*net.TCPAddr).Port, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
	t.Cleanup(c.client.CloseIdleConnections)
	cmd := exec.Command(program, "dev-catalog", "-listen", c.address, "-log-level", "warn")
	cmd.Stderr = os.Stderr
	started(t, cmd)
	eventually(t, "the catalog answers", func() error {
		if body := fetch("http://" + c.address + "/v1/status/leader"); !strings.HasPrefix(body, `"`) {
			return errors.New(body)
		}
		return nil
	})
	return c
}

// register puts the instances from one number up to another in the catalog.
func (c *crowd) register(t *testing.T, from, to int) {
	t.Helper()
	c.each(t, "/v1/catalog/register", from, to, func(n int) any {
		return map[string]any{
			"Node": fmt.Sprint("node-", n), "Address": fmt.Sprintf("127.%d.%d.%d", 1+n>>16, n>>8&255, n&255),
			"Service": map[string]any{"ID": "web", "Service": "web", "Port": c.port, "Tags": []string{"v2"}, "Meta": map[string]string{"version": "2.1.0"}},
			"Checks": []any{
				map[string]any{"CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing", "Output": "Agent alive and reachable"},
				map[string]any{"CheckID": "service:web", "ServiceID": "web", "Name": "Service 'web' check", "Status": "passing",
					"Output": fmt.Sprintf("HTTP GET http://127.0.0.1:%d/health: 200 OK Output: well", c.port)},
			},
		}
	})
}

func (c *crowd) deregister(t *testing.T, from, to int) {
	t.Helper()
	c.each(t, "/v1/catalog/deregister", from, to, func(n int) any { return map[string]any{"Node": fmt.Sprint("node-", n)} })
}

// each makes a call for each number, several at a time.
func (c *crowd) each(t *testing.T, path string, from, to int, body func(n int) any) {
	t.Helper()
	const workers = 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := from + w; n < to; n += workers {
				raw, _ := json.Marshal(body(n))
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+c.address+path, bytes.NewReader(raw))
				resp, err := c.client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", resp.Status, text)
					return
				}
			}
		})
	}
	wg.Wait()
}

// paced is an app that calls at a steady rate, and notes how long that takes.
type paced struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu       sync.Mutex
	now      string
	took     map[string][]time.Duration // by phase
	failures []string
}

func startPaced(url string, clients int, every time.Duration) *paced {
	l := &paced{stop: make(chan struct{}), took: make(map[string][]time.Duration)}
	for range clients {
		l.wg.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			for ticker := time.NewTicker(every); ; {
				select {
				case <-l.stop:
					ticker.Stop()
					return
				case <-ticker.C:
				}
				begin := time.Now()
				_, err := ask(client, url)
				l.note(time.Since(begin), err)
			}
		})
	}
	return l
}

func (l *paced) phase(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = name
}

func (l *paced) note(took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures = append(l.failures, err.Error())
		return
	}
	l.took[l.now] = append(l.took[l.now], took)
}

// end stops the app, none of whose requests may have failed.
func (l *paced) end(t *testing.T) map[string][]time.Duration {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	if n := len(l.failures); n > 0 {
		t.Errorf("%d requests failed: %q", n, l.failures[:min(n, 3)])
	}
	for _, all := range l.took {
		slices.Sort(all)
	}
	return l.took
}

// quantile is that of sorted times.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
