package agent

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// observation is how much of requests is told, and by whom a request says that
// it was sent.
type observation struct {
	metrics, traces, ratio string
	protocol               string // of traces; "" is http/protobuf
	access                 bool
	parent                 string // "" for none
	beside                 string // the part that tells nothing and gets the same requests
}

const (
	unsampledParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
	sampledParent   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
)

// observed are the parts of BenchmarkTelemetry.
func observed() map[string]observation {
	return map[string]observation{
		"off":          {metrics: "none", traces: "none", ratio: "1", parent: unsampledParent},
		"off_root":     {metrics: "none", traces: "none", ratio: "1"},
		"metrics":      {metrics: "prometheus", traces: "none", ratio: "1", parent: unsampledParent, beside: "off"},
		"unsampled":    {metrics: "prometheus", traces: "otlp", ratio: "1", parent: unsampledParent, beside: "off"},
		"roots_1pct":   {metrics: "prometheus", traces: "otlp", ratio: "0.01", beside: "off_root"},
		"sampled":      {metrics: "prometheus", traces: "otlp", ratio: "1", parent: sampledParent, beside: "off"},
		"sampled_grpc": {metrics: "prometheus", traces: "otlp", ratio: "1", protocol: "grpc", parent: sampledParent, beside: "off"},
		"access_log":   {metrics: "prometheus", traces: "none", ratio: "1", access: true, parent: unsampledParent, beside: "off"},
	}
}

// block is the telemetry of an agent, of which the collectors take the traces
// by HTTP and by gRPC.
func (o observation) block(byHTTP, byGRPC string) string {
	format, protocol, collector := "off", "http/protobuf", byHTTP
	if o.protocol == "grpc" {
		protocol, collector = o.protocol, byGRPC
	}
	if o.access {
		format = "json"
	}
	return fmt.Sprintf(`traces {
    exporters    = [%q]
    protocol     = %q
    endpoint     = "http://%s"
    sample_ratio = %s
  }
  metrics { exporters = [%q] }
  access_log {
    format = %q
    output = %q
  }`, o.traces, protocol, collector, o.ratio, o.metrics, format, os.DevNull)
}

// BenchmarkTelemetry is what telemetry adds to the processor time of a request
// that is proxied, in percent of an agent's that tells nothing and gets the same
// requests. Each part is an agent in a process of its own, with a collector that
// takes all; in every round each gets requests, one part after the other in
// changing order, and what is done meanwhile counts too. The medians of
// the rounds are what is reported. The queue for spans is so long that it takes
// all of a turn: dropping some would be cheaper.
//
//	go test -run '^$' -bench Telemetry -benchtime 20x ./agent
func BenchmarkTelemetry(b *testing.B) {
	b.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8192")
	collectors := player(b, "collector").address + " " + player(b, "grpc_collector").address
	backends := player(b, "backend").address + " " + player(b, "backend").address
	all := observed()
	players := make(map[string]*played)
	var parts []string
	for part := range all {
		parts = append(parts, part)
		players[part] = player(b, part+" "+collectors+" "+backends)
	}
	slices.Sort(parts)
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	defer transport.CloseIdleConnections()
	turn := func(part string, requests int) {
		var clients sync.WaitGroup
		for range 32 {
			clients.Go(func() {
				for range requests / 32 {
					if err := callAs(transport, players[part].address, all[part].parent); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		clients.Wait()
	}
	const requests = 3200
	took := make(map[string][]float64) // microseconds of a request, in each round
	for _, part := range parts {
		turn(part, requests)
	}
	time.Sleep(time.Second) // what the first requests left to be done
	b.ResetTimer()
	for round := range b.N {
		before := make(map[string]time.Duration)
		for _, part := range parts {
			before[part] = players[part].cpu(b)
		}
		for i := range parts {
			turn(parts[(i+round)%len(parts)], requests)
		}
		for _, part := range parts {
			took[part] = append(took[part], float64((players[part].cpu(b)-before[part]).Nanoseconds())/1000/requests)
		}
	}
	b.StopTimer()
	for _, part := range parts {
		b.ReportMetric(median(took[part]), part+"-us/req")
		base := all[part].beside
		if base == "" {
			continue
		}
		var more []float64
		for i, t := range took[part] {
			more = append(more, 100*(t/took[base][i]-1))
		}
		b.ReportMetric(median(more), part+"-%")
	}
	b.ReportMetric(0, "ns/op") // a round's time says nothing
}

// callAs makes one request, which names its parent if it has one.
func callAs(transport *http.Transport, address, parent string) error {
	r, err := http.NewRequest(http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return err
	}
	if parent != "" {
		r.Header.Set("Traceparent", parent)
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s, %w", resp.Status, err)
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
