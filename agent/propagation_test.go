package agent

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// propagated are the times that changes took until they were routed, which is
// until a call was answered by what was registered last.
type propagated struct {
	fromAnswer []time.Duration // of Consul, its first byte
	fromWrite  []time.Duration // to Consul, before it
}

func (p propagated) median() (answer, write time.Duration) {
	return p.fromAnswer[len(p.fromAnswer)/2], p.fromWrite[len(p.fromWrite)/2]
}

func (p propagated) p99() (answer, write time.Duration) {
	return p.fromAnswer[len(p.fromAnswer)*99/100], p.fromWrite[len(p.fromWrite)*99/100]
}

// propagate moves each of many services to and fro between two backends, one
// after the other, each when its watch waits again.
func propagate(t testing.TB, consul *consulServer, services, rounds int) (p propagated) {
	t.Helper()
	backends := []string{backend(t, "0"), backend(t, "1")}
	text := fmt.Sprintf("consul { address = %q }\n", consul.address)
	for n := range services {
		consul.register(t, fmt.Sprint("s", n), fmt.Sprint("s", n), backends[0])
		text += fmt.Sprintf(`
			upstream "s%d" {
				listen = "127.0.0.1:0"
				consul { service = "s%d" }
			}`, n, n)
	}
	a := run(t, parse(t, "%s", text))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	for round := range rounds {
		want := (round + 1) % 2
		_, port, _ := net.SplitHostPort(backends[want])
		for n := range services {
			name := fmt.Sprint("s", n)
			u, url := a.upstream(name), a.url(name)
			eventually(t, name+" waits for a change", func() bool {
				c := u.measured().Catalog // nil before it is asked
				return c != nil && c.Answers > int64(round) && consul.seen.to("/v1/health/service/"+name) == int(c.Answers)+1
			})
			begin := time.Now()
			consul.put(t, "/v1/agent/service/register", fmt.Sprintf(`{"Name": %q, "ID": %q, "Address": "127.0.0.1", "Port": %s}`, name, name, port))
			for !answeredBy(t, client, url, fmt.Sprint(want)) {
				if time.Since(begin) > 10*time.Second {
					t.Fatalf("%s does not move", name)
				}
				time.Sleep(100 * time.Microsecond)
			}
			now := time.Now()
			p.fromAnswer, p.fromWrite = append(p.fromAnswer, now.Sub(u.current().At)), append(p.fromWrite, now.Sub(begin))
		}
	}
	slices.Sort(p.fromAnswer)
	slices.Sort(p.fromWrite)
	return p
}

func answeredBy(t testing.TB, client *http.Client, url, name string) bool {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text := make([]byte, len(name))
	_, _ = resp.Body.Read(text)
	return strings.HasPrefix(string(text), name)
}

// A change in the catalog is routed within moments of Consul's answer, which
// comes within moments of the change.
func TestPropagation(t *testing.T) {
	consuls(t, func(t *testing.T, consul *consulServer) {
		p := propagate(t, consul, 50, 4)
		answer, write := p.median()
		worstAnswer, worstWrite := p.p99()
		t.Logf("%d changes are routed %v after the answer and %v after the write (median), %v and %v (p99)", len(p.fromAnswer), answer, write, worstAnswer, worstWrite)
		if answer > 10*time.Millisecond || !slowly() && worstAnswer > 100*time.Millisecond {
			t.Errorf("%v after the answer, p99 %v", answer, worstAnswer)
		}
	})
}

// BenchmarkPropagation prints how long 200 changes take until they are routed.
//
//	OUTRIGGER_TEST_CONSUL=consul go test -run '^$' -bench Propagation -benchtime 1x ./agent
func BenchmarkPropagation(b *testing.B) {
	for name, start := range catalogs() {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				p := propagate(b, start(b), 50, 4)
				answer, write := p.median()
				b.ReportMetric(float64(answer.Microseconds())/1000, "ms-after-answer")
				b.ReportMetric(float64(write.Microseconds())/1000, "ms-after-write")
				answer, write = p.p99()
				b.ReportMetric(float64(answer.Microseconds())/1000, "p99-ms-after-answer")
				b.ReportMetric(float64(write.Microseconds())/1000, "p99-ms-after-write")
			}
		})
	}
}
