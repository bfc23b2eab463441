package proxy

import (
	"context"
	"net/http"
	"testing"
	"time"
)

// How long each connection to a server lasted is told once, at its end, of
// whatever HTTP.
func TestConnectionsAreToldOfAtTheirEnd(t *testing.T) {
	for _, protocol := range []Protocol{HTTP1, H2C} {
		t.Run(string(protocol), func(t *testing.T) {
			o, lived := defaults(), make(chan time.Duration, 10)
			o.Backend, o.OnClosed = protocol, func(d time.Duration) { lived <- d }
			f := startHTTP(t, o, backend(t, func(w http.ResponseWriter, _ *http.Request) {}))
			begin := time.Now()
			for range 3 { // over one connection
				get(t, "http://"+f.address+"/")
			}
			settled(t, f)
			if len(lived) > 0 {
				t.Errorf("one ended after %v", <-lived)
			}
			f.stop(context.Background())
			select {
			case d := <-lived:
				if most := time.Since(begin); d <= 0 || d > most {
					t.Errorf("it lasted %v of %v", d, most)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it has not ended")
			}
			if n := len(lived); n > 0 || f.Meter.Backends.Load() != 0 {
				t.Errorf("%d more ended, %d are open", n, f.Meter.Backends.Load())
			}
		})
	}
}
