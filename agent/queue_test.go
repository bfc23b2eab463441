package agent

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestQueue(t *testing.T) {
	arrived, let := make(chan struct{}, 10), make(chan struct{})
	slow := handler(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-let:
			_, _ = io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})
	format := `
		upstream "web" {
			listen = "127.0.0.1:0"
			server "a" { address = %q }
			limits {
				max_requests_per_server = 1
				max_queue               = %d
				queue_timeout           = %q
			}
		}
		upstream "none" {
			listen = "127.0.0.1:0"
			server "a" { address = "127.0.0.1:1" }
		}`
	a := run(t, parse(t, format, slow, 1, "10s"))
	if q := a.explained(t, "none").Queue; q != nil {
		t.Errorf("without a queue: %+v", q)
	}
	reload := func(length int, timeout string) {
		t.Helper()
		if err := a.Reload(parse(t, format, slow, length, timeout)); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan int, 10)
	call := func() {
		go func() {
			resp, _ := get(t, a.url("web"))
			done <- resp.StatusCode
		}()
	}
	call()
	<-arrived
	call()
	eventually(t, "one waits", func() bool { return a.explained(t, "web").Queue.Waiting == 1 })
	if resp, body := get(t, a.url("web")); resp.StatusCode != 503 || !strings.Contains(body, "its queue is full") {
		t.Errorf("over the queue: %d %s", resp.StatusCode, body)
	}
	reload(2, "20ms") // those who wait go on
	if resp, body := get(t, a.url("web")); resp.StatusCode != 503 || !strings.Contains(body, "none free in time (20ms)") {
		t.Errorf("too long: %d %s", resp.StatusCode, body)
	}
	if q := *a.explained(t, "web").Queue; q != (QueueStatus{Length: 2, Waiting: 1, Queued: 2, GaveUp: 1, Refused: 1}) {
		t.Errorf("explained as %+v", q)
	}
	_, text := get(t, a.url("admin")+"/metrics")
	for _, want := range []string{
		`outrigger_queue_waiting{outrigger_upstream_name="web"} 1`,
		`outrigger_queue_requests_total{outrigger_upstream_name="web",result="gave_up"} 1`,
		`outrigger_queue_requests_total{outrigger_upstream_name="web",result="refused"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	reload(0, "10s")
	if resp, body := get(t, a.url("web")); resp.StatusCode != 503 {
		t.Errorf("without a queue, behind one who waits: %d %s", resp.StatusCode, body)
	}
	let <- struct{}{}
	<-arrived
	if resp, body := get(t, a.url("web")); resp.StatusCode != 503 || strings.Contains(body, "queue") {
		t.Errorf("without a queue: %d %s", resp.StatusCode, body)
	}
	let <- struct{}{}
	for range 2 {
		if status := <-done; status != 200 {
			t.Errorf("got %d", status)
		}
	}
	if _, text := get(t, a.url("admin")+"/metrics"); !strings.Contains(text, `outrigger_queue_requests_total{outrigger_upstream_name="web",result="placed"} 1`) {
		t.Error("/metrics does not count the one that waited")
	}
}
