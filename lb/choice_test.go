package lb_test

import (
	"errors"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func TestChoice(t *testing.T) {
	b := lb.New(lb.RoundRobin(), lb.WithHealth(lb.Health{Ejection: health.Ejection{Failures: 1, Base: time.Minute, Max: time.Hour, MaxShare: 0.5}}))
	if got := b.Choice(nil); got != (lb.Choice{Strategy: "round_robin"}) {
		t.Errorf("without servers: %+v", got)
	}
	for _, id := range []string{"a", "b", "c"} {
		if err := b.Add(lb.Server{ID: id, Address: "10.0.0.1:80"}); err != nil {
			t.Fatal(err)
		}
	}
	lease, err := b.Select("")
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	s := lease.Server()
	if got := b.Choice(s); got != (lb.Choice{Strategy: "round_robin", Candidates: 3, State: health.Up}) {
		t.Errorf("at first: %+v", got)
	}
	b.SetStrategy(lb.Random())
	lease.Fail(errors.New("it broke"))
	if got := b.Choice(s); got != (lb.Choice{Strategy: "random", Candidates: 2, Ejected: 1}) {
		t.Errorf("after its ejection: %+v", got)
	}
	if n := testing.AllocsPerRun(100, func() { b.Choice(s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// In a panic what is down is chosen too, and said to be.
func TestChoiceInAPanic(t *testing.T) {
	b := lb.New(nil, lb.WithHealth(lb.Health{Policy: health.Policy{PanicThreshold: 0.5}}))
	for _, id := range []string{"a", "b"} {
		if err := b.Add(lb.Server{ID: id, Address: "10.0.0.1:80"}); err != nil {
			t.Fatal(err)
		}
		if err := b.SetHealthy(id, false); err != nil {
			t.Fatal(err)
		}
	}
	lease, err := b.Select("")
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	if got := b.Choice(lease.Server()); !got.Panic || got.State != health.Down || got.Candidates != 2 {
		t.Errorf("%+v", got)
	}
}
