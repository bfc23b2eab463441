package catalog_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
)

// The recordings hold what a Consul 1.21.4 answered to a script of calls. Every
// step is replayed against a Catalog, in the fake time of a bubble, and compared
// whole: status, headers, body, time taken.

type recordedCall struct {
	Method  string
	Path    string
	Token   string
	Body    json.RawMessage
	RawBody string `json:"raw_body"`
}

type recordedAnswer struct {
	Status   int
	Headers  map[string]string
	BodyKind string `json:"body_kind"`
	Body     any
	Elapsed  float64 `json:"elapsed_s"`
}

type recordedStep struct {
	Seq      int
	Name     string
	Request  recordedCall
	Response recordedAnswer
	During   *struct {
		After float64 `json:"after_s"`
		recordedCall
		Response recordedAnswer
	}
}

// unlike are the places where the catalog is allowed to differ, by step, each
// as a prefix of the path into the body. Volatile values are not among them.
var unlike = map[string][]string{
	// The recorded server had ports of its own; nothing here listens on any.
	"leader": {""},
	"peers":  {"[0]"},
	"self":   {".Member.Port", ".Member.Tags.port", ".Member.Tags.wan_join_port", ".Member.Tags.build"},
}

// unordered are steps whose lists Consul makes from a Go map, in random order.
var unordered = []string{"catalog services", "agent health by name"}

func TestReplay(t *testing.T) {
	for file, options := range map[string]catalog.Options{
		"testdata/agent-dev.jsonl": {},
		"testdata/acl-deny.jsonl":  {ACL: &catalog.ACL{InitialManagement: management}},
	} {
		t.Run(file, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := catalog.New(options)
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- c.Run(ctx) }()
				p := &player{catalog: c, comparison: newComparison(t), tokens: map[string]string{
					"management": management,
					"unknown":    "aaaaaaaa-0000-0000-0000-000000000000",
				}}
				for _, step := range readRecording(t, file) {
					p.play(step)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

const management = "11111111-2222-3333-4444-555555555555"

func readRecording(t *testing.T, file string) (steps []recordedStep) {
	data, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	lines := bufio.NewReader(data)
	if _, err := lines.ReadString('\n'); err != nil { // the volatile values
		t.Fatal(err)
	}
	for decoder := json.NewDecoder(lines); ; {
		var step recordedStep
		err := decoder.Decode(&step)
		if err == io.EOF {
			return steps
		}
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
}

// A player replays a recording.
type player struct {
	comparison
	catalog *catalog.Catalog
	tokens  map[string]string
	step    recordedStep
}

func (p *player) play(step recordedStep) {
	p.step = step
	if step.Name == "after expiry" {
		time.Sleep(2 * time.Second) // the recording does not say how long it waited
	}
	began := time.Now()
	result := make(chan *http.Response, 1)
	go func() { result <- p.call(step.Request) }()
	if d := step.During; d != nil {
		time.Sleep(time.Duration(d.After * float64(time.Second)))
		p.compare(d.Response, p.call(d.recordedCall))
	}
	got := <-result
	p.compare(step.Response, got)
	if took := time.Since(began).Seconds(); math.Abs(took-step.Response.Elapsed) > 0.02 {
		p.errorf("took %.3fs, Consul %.3fs", took, step.Response.Elapsed)
	}
}

func (p *player) call(call recordedCall) *http.Response {
	body := call.RawBody
	if call.Body != nil {
		body = string(call.Body)
	}
	path := p.translate(call.Path)
	r := httptest.NewRequest(call.Method, path, strings.NewReader(body))
	switch token := call.Token; token {
	case "", "none":
	case "deleted":
		r.Header.Set("X-Consul-Token", p.tokens["read-web"])
	default:
		r.Header.Set("X-Consul-Token", p.tokens[token])
	}
	w := httptest.NewRecorder()
	p.catalog.ServeHTTP(w, r)
	return w.Result()
}

func (p *player) compare(want recordedAnswer, got *http.Response) {
	p.label = fmt.Sprintf("step %d, %s", p.step.Seq, p.step.Name)
	p.skip = unlike[p.step.Name]
	p.anyOrder = slices.Contains(unordered, p.step.Name)
	value := p.comparison.compare(want, got)
	if p.step.Name == "token" { // the steps that follow use it
		p.tokens["read-web"] = value.(map[string]any)["SecretID"].(string)
	}
}
