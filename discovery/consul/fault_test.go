package consul

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outrigger-sidecar/outrigger/discovery"
	"github.com/outrigger-sidecar/outrigger/discovery/catalog"
	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// watched is a watch and all that it told.
type watched struct {
	*discovery.Watcher

	mu    sync.Mutex
	told  []discovery.Snapshot
	asked []time.Time // the requests, where a counting handler is in front
}

func (w *watched) emit(s discovery.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, s)
}

func (w *watched) last() (s discovery.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.told); n > 0 {
		s = w.told[n-1]
	}
	return s
}

// fewest is the least number of instances in force since the beginning.
func (w *watched) fewest() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	least := -1
	for _, s := range w.told {
		if n := len(s.Instances); least < 0 || n < least {
			least = n
		}
	}
	return least
}

// count notes when requests come.
func (w *watched) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, time.Now())
		w.mu.Unlock()
		next.ServeHTTP(rw, r)
	})
}

// busiest is the largest number of requests within d, from a moment on.
func (w *watched) busiest(from time.Time, d time.Duration) (most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, first := range w.asked {
		n := 0
		for _, at := range w.asked[i:] {
			if at.Sub(first) < d {
				n++
			}
		}
		if !first.Before(from) {
			most = max(most, n)
		}
	}
	return most
}

// bear registers instances without a network, as a bubble wants it.
func bear(t *testing.T, c http.Handler, ids ...string) {
	t.Helper()
	for _, id := range ids {
		serve(t, c, "/v1/agent/service/register", fmt.Sprintf(`{"Name":"web","ID":%q,"Address":"127.0.0.1","Port":%d}`, id, 8000+len(id)*100+int(id[len(id)-1])))
	}
}

func serve(t *testing.T, c http.Handler, path, body string) {
	t.Helper()
	if status := served(t.Context(), c, path, body); status != http.StatusOK {
		t.Fatalf("%s %s: %d", path, body, status)
	}
}

func served(ctx context.Context, c http.Handler, path, body string) (status int) {
	r, _ := http.NewRequestWithContext(ctx, http.MethodPut, "http://consul"+path, strings.NewReader(body))
	w := &silent{header: http.Header{}, status: http.StatusOK}
	c.ServeHTTP(w, r)
	return w.status
}

type silent struct {
	header http.Header
	status int
}

func (s *silent) Header() http.Header         { return s.header }
func (s *silent) WriteHeader(status int)      { s.status = status }
func (s *silent) Write(b []byte) (int, error) { return len(b), nil }

// Ten minutes of each fault, in virtual time: no instance is ever lost, Consul
// is not hammered, the watch shows what is wrong, and catches up within two
// seconds when it is over. Only who was asked to leave Consul alone does so for
// its pause; see TestAnswersElsewhereEndPauses. What hangs is found out by its
// deadline. These are P2 to P6, P8 and P9 of the faults that must be survived.
func TestFaultsTakeNothingAway(t *testing.T) {
	const always = "" // the fault is one that the watch sees through
	for kind, tt := range map[catalog.FaultKind]struct {
		class   string        // of the failure that shows
		suspect bool          // or of a suspicion
		back    time.Duration // until it must have caught up
	}{
		catalog.NoLeader:        {"server", false, 2 * time.Second},
		catalog.Forbidden:       {"denied", false, 22 * time.Second},
		catalog.TooManyRequests: {"overloaded", false, 12 * time.Second},
		catalog.Unavailable:     {"overloaded", false, 12 * time.Second},
		catalog.Hang:            {"timeout", false, 2 * time.Minute},
		catalog.Slow:            {always, false, 2 * time.Second},
		catalog.Truncated:       {"answer", false, 2 * time.Second},
		catalog.Null:            {"answer", false, 2 * time.Second},
		catalog.IndexFalls:      {always, false, 2 * time.Second},
		catalog.IndexZero:       {always, false, 2 * time.Second},
		catalog.IndexGarbage:    {always, false, 2 * time.Second},
		catalog.IndexMissing:    {always, false, 2 * time.Second},
		catalog.NoLastContact:   {always, false, 2 * time.Second},
		catalog.Empty:           {"server", true, 2 * time.Second},
		catalog.ACLEmpty:        {"hidden", true, 35 * time.Second},
		catalog.StaleViews:      {always, false, 2 * time.Second},
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := catalog.New(catalog.Options{})
				bear(t, c, "a", "b", "c", "d")
				w := new(watched)
				client := bubbled(t, w.count(c))
				w.Watcher = &discovery.Watcher{Source: client.Source(Query{Service: "web"}), Wait: client.Wait()}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { w.Run(ctx, w.emit); close(ended) }()
				time.Sleep(2 * time.Minute)

				clear, err := c.Faults().Set(catalog.Fault{Kind: kind, Path: "/v1/health", Delay: 3 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				bear(t, c, "e") // wakes what waits
				begin := time.Now()
				time.Sleep(10 * time.Minute)
				st := w.Status()
				if st.Class != tt.class || (st.Suspicion != nil) != tt.suspect {
					t.Errorf("after ten minutes: %+v, suspicion %+v", st, st.Suspicion)
				}
				f, _ := st.Freshness(time.Now(), time.Hour)
				if want := tt.class != always; (f != health.Fresh) != want {
					t.Errorf("the catalog's word is %v", f)
				}
				clear()
				bear(t, c, "f")
				time.Sleep(tt.back)
				if n := w.fewest(); n < 4 {
					t.Errorf("once there were %d instances", n)
				}
				if last := w.last(); len(last.Instances) != 6 || last.Doubt != "" || w.Status().Err != nil {
					t.Errorf("%v after it was over: %d instances, %+v", tt.back, len(last.Instances), w.Status())
				}
				if n := w.busiest(begin, 2*time.Second); n > 4 {
					t.Errorf("%d requests within two seconds", n)
				}
				if n := w.busiest(begin, time.Minute); n > 70 {
					t.Errorf("%d requests within a minute", n)
				}
				cancel()
				<-ended
			})
		})
	}
}

// P3 and P4: who was asked to leave Consul alone for a while does so, but not
// longer than another watch needs to get an answer.
func TestAnswersElsewhereEndPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := catalog.New(catalog.Options{})
		client := bubbled(t, c)
		hub := discovery.NewHub(func(q Query) *discovery.Watcher {
			return &discovery.Watcher{Source: client.Source(q), Wait: client.Wait()}
		})
		defer hub.Close()
		kinds := []catalog.FaultKind{catalog.NoLeader, catalog.Forbidden, catalog.TooManyRequests, catalog.Unavailable, catalog.ACLEmpty}
		watches := make(map[catalog.FaultKind]*discovery.Subscription)
		for _, kind := range kinds {
			serve(t, c, "/v1/agent/service/register", fmt.Sprintf(`{"Name":%q,"Address":"127.0.0.1","Port":80}`, kind))
			watches[kind] = hub.Subscribe(Query{Service: string(kind)})
		}
		time.Sleep(10 * time.Second)
		for _, kind := range kinds {
			if _, err := c.Faults().Set(catalog.Fault{Kind: kind, Path: "/v1/health/service/" + string(kind)}); err != nil {
				t.Fatal(err)
			}
			serve(t, c, "/v1/agent/service/register", fmt.Sprintf(`{"Name":%q,"Address":"127.0.0.1","Port":81}`, kind))
		}
		time.Sleep(10 * time.Minute)
		for kind, w := range watches {
			if w.Status().Err == nil {
				t.Errorf("%s does not show", kind)
			}
		}
		c.Faults().Clear()
		time.Sleep(2 * time.Second)
		for kind, w := range watches {
			if st := w.Status(); st.Err != nil || st.Suspicion != nil || len((<-w.C).Instances) != 1 {
				t.Errorf("%s: two seconds after it was over: %+v", kind, st)
			}
		}
	})
}

// P5: an empty catalog is believed in the end, and what came meanwhile is too.
func TestDeregistrationOfAllIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := catalog.New(catalog.Options{})
		bear(t, c, "a", "b", "c", "d")
		w := new(watched)
		client := bubbled(t, c)
		w.Watcher = &discovery.Watcher{Source: client.Source(Query{Service: "web"}), Wait: client.Wait()}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.Run(ctx, w.emit); close(ended) }()
		time.Sleep(time.Minute)
		for _, id := range []string{"a", "b", "c", "d"} {
			serve(t, c, "/v1/agent/service/deregister/"+id, "")
		}
		synctest.Wait()
		if s := w.last(); len(s.Instances) == 0 { // how many there are depends on what the watch saw in between
			t.Error("at once there is none")
		}
		time.Sleep(10 * time.Second)
		if s := w.last(); len(s.Instances) != 0 || s.Doubt != "" || w.Status().Confirmed == 0 {
			t.Errorf("there are %d instances, %+v", len(s.Instances), w.Status())
		}
		bear(t, c, "z")
		time.Sleep(5 * time.Second)
		if s := w.last(); len(s.Instances) != 1 || s.Doubt != "" {
			t.Errorf("there are %d instances, %+v", len(s.Instances), w.Status())
		}
		cancel()
		<-ended
	})
}

// P6: a catalog restored from a backup counts low and wakes everyone, and
// nobody is lost.
func TestRestoredCatalogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := catalog.New(catalog.Options{})
		bear(t, c, "a", "b", "c", "d")
		w := new(watched)
		client := bubbled(t, w.count(c))
		w.Watcher = &discovery.Watcher{Source: client.Source(Query{Service: "web"}), Wait: client.Wait()}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.Run(ctx, w.emit); close(ended) }()
		time.Sleep(time.Minute)
		begin := time.Now()
		c.Restore()
		bear(t, c, "e")
		time.Sleep(5 * time.Second)
		if n, s := w.fewest(), w.last(); n != 4 || len(s.Instances) != 5 || s.Doubt != "" {
			t.Errorf("once there were %d, and now %d", n, len(s.Instances))
		}
		if n := w.busiest(begin, time.Minute); n > 6 {
			t.Errorf("%d requests", n)
		}
		cancel()
		<-ended
	})
}

// The other datacenter cannot be reached, and nothing stands in its way.
func TestFailoverWhileTheOtherDatacenterIsUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := catalog.New(catalog.Options{})
		bear(t, c, "a", "b")
		client := bubbled(t, c)
		hub := discovery.NewHub(func(q Query) *discovery.Watcher {
			return &discovery.Watcher{Source: client.Source(q), Wait: client.Wait()}
		})
		s := discovery.Merge(discovery.Snapshot{},
			discovery.Place{Name: "here", Watch: hub.Subscribe(Query{Service: "web"})},
			discovery.Place{Name: "dc2", Watch: hub.Subscribe(Query{Service: "web", Datacenter: "dc2"})})
		time.Sleep(time.Minute)
		if got := <-s.C; len(got.Instances) != 2 || got.Instances[0].Priority != 0 {
			t.Errorf("got %+v", got)
		}
		st := s.Status()
		if st.Err != nil || st.Places[0].Err != nil || st.Places[1].Class != "server" || !strings.Contains(st.Places[1].Err.Error(), `in datacenter "dc2"`) {
			t.Errorf("status %+v", st)
		}
		s.Close()
		hub.Close()
	})
}
