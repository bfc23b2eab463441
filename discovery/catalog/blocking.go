package catalog

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	defaultWait = 5 * time.Minute
	maxWait     = 10 * time.Minute
)

// query is what the parameters common to all reads ask for.
type query struct {
	index       uint64        // 0: answer at once
	wait        time.Duration // how long to block
	consistency string        // "leader", "stale" or "consistent"
	cached      bool
}

// parseQuery reads the common parameters, with Consul's words for the bad.
func parseQuery(p url.Values) (query, error) {
	q := query{wait: defaultWait, consistency: "leader", cached: p.Has("cached")}
	if text := p.Get("wait"); text != "" {
		wait, err := time.ParseDuration(text)
		if err != nil {
			return q, failure(http.StatusBadRequest, "Invalid wait time")
		}
		if wait > 0 {
			q.wait = min(wait, maxWait)
		}
	}
	if text := p.Get("index"); text != "" {
		index, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return q, failure(http.StatusBadRequest, "Invalid index")
		}
		q.index = index
	}
	stale, consistent := p.Has("stale"), p.Has("consistent")
	switch {
	case stale && consistent:
		return q, failure(http.StatusBadRequest, "Cannot specify ?stale with ?consistent, conflicting semantics.")
	case q.cached && consistent:
		return q, failure(http.StatusBadRequest, "Cannot specify ?cached with ?consistent, conflicting semantics.")
	case stale:
		q.consistency = "stale"
	case consistent:
		q.consistency = "consistent"
	}
	return q, nil
}

// view is what one evaluation of a read may look at. It holds for the
// evaluation only, under the lock.
type view struct {
	*store
	may *permissions
}

// answer is what one evaluation found.
type answer struct {
	value    any
	index    uint64          // of what was read
	changed  <-chan struct{} // closed when it may have changed
	absent   bool            // the service has no instance
	filtered bool            // ACLs removed something
}

// source says how Consul serves a kind of read.
type source struct {
	streams  bool // from its streaming backend, once an index is given
	caches   bool // ?cached is honoured
	bareFail bool // errors carry no query headers
}

var (
	errStopping    = errors.New("catalog is stopping")
	errNoAddresses = failure(http.StatusServiceUnavailable, "resolver error: resolver produced no addresses")
)

// read answers a read: at once, or, given an index, when what it reads is
// newer than that or the wait is over. evaluate may run many times.
func (c *Catalog) read(w http.ResponseWriter, r *http.Request, from source, evaluate func(view) (answer, error)) (any, error) {
	p := r.URL.Query()
	q, err := parseQuery(p)
	if err != nil {
		return nil, err
	}
	q.cached = q.cached && from.caches
	// Consul's streaming backend cannot sort by distance or merge defaults.
	streaming := from.streams && (q.index > 0 || q.cached) && p.Get("near") == "" && !p.Has("merge-central-config")
	backend := "blocking-query"
	if streaming {
		backend = "streaming"
	}
	token := requestToken(r)
	if dc := p.Get("dc"); dc != "" && dc != c.opts.Datacenter {
		evaluate = func(view) (answer, error) {
			if streaming {
				return answer{}, errNoAddresses
			}
			return answer{}, failure(http.StatusInternalServerError, "No path to datacenter")
		}
	}
	a, leader, err := c.await(r.Context(), q, streaming, token, evaluate)
	if err != nil {
		if !from.bareFail {
			setMeta(w, 0, false, "blocking-query")
		}
		if bad, ok := errors.AsType[*filterError](err); ok && streaming {
			err = bad.cause // the streaming backend tells it without preamble
		}
		return nil, err
	}
	setMeta(w, a.index, leader, backend)
	w.Header().Set("X-Consul-Effective-Consistency", q.consistency)
	if a.filtered && token != "" && !streaming {
		w.Header().Set("X-Consul-Results-Filtered-By-Acls", "true")
	}
	if q.cached {
		c.setCacheHeaders(w, r.URL.Path, token, p)
	}
	return a.value, nil
}

// await evaluates until there is an answer to give. The leader is unknown in
// an answer that no server gave.
func (c *Catalog) await(ctx context.Context, q query, streaming bool, token string, evaluate func(view) (answer, error)) (a answer, leader bool, err error) {
	wait := q.wait
	if !streaming {
		wait += rand.N(wait/16 + 1)
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	var first answer
	var restores int
	for n := 0; ; n++ {
		c.mu.Lock()
		may, err := c.acl.permissions(token)
		if err == nil {
			a, err = evaluate(view{c.store, may})
		}
		stopped, restored := c.stopped, c.store.restores
		reauthorize := c.acl.changed(streaming)
		c.mu.Unlock()

		if err != nil {
			if retries := streamRetries(err); n == 0 && streaming && q.index > 0 && retries > 0 {
				return awaitStream(ctx, q, stopped, retries, err)
			}
			return a, false, err
		}
		switch {
		case n == 0:
			first, restores = a, restored
		case streaming && a.absent && first.absent && restored == restores:
			// A stream follows one service. Unlike a blocking query it does
			// not see that other services became extinct.
			a.index = first.index
		}
		if q.index == 0 || a.index > q.index || restored != restores {
			return a, true, nil
		}
		select {
		case <-a.changed:
		case <-reauthorize:
		case <-timeout.C:
			return a, true, nil
		case <-stopped:
			return a, false, errStopping
		case <-ctx.Done():
			return a, false, ctx.Err()
		}
	}
}

// streamRetries is about how long a stream of Consul 1.21.4 retries before it
// reports an error; 0 for errors that it reports at once.
func streamRetries(err error) time.Duration {
	switch {
	case errors.Is(err, errTokenUnknown):
		return 2 * time.Second
	case errors.Is(err, errNoAddresses):
		return 38 * time.Second
	}
	return 0
}

// awaitStream does what Consul does to the reader of a stream that cannot get
// its first snapshot: a wait shorter than the retries runs out first, and the
// reader is shown the empty view: 200, index 1, no leader.
func awaitStream(ctx context.Context, q query, stopped <-chan struct{}, retries time.Duration, err error) (answer, bool, error) {
	timer := time.NewTimer(min(q.wait, retries))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stopped:
		return answer{}, false, errStopping
	case <-ctx.Done():
		return answer{}, false, ctx.Err()
	}
	if q.wait < retries {
		return answer{value: []healthEntry{}}, false, nil
	}
	return answer{}, false, err
}

// setMeta sets the headers that every read bears. An index of 0 is sent as 1,
// so that no reader takes it for "do not block".
func setMeta(w http.ResponseWriter, index uint64, leader bool, backend string) {
	h := w.Header()
	h.Set("X-Consul-Index", strconv.FormatUint(max(index, 1), 10))
	h.Set("X-Consul-Knownleader", strconv.FormatBool(leader))
	h.Set("X-Consul-Lastcontact", "0")
	h.Set("X-Consul-Query-Backend", backend)
}

// maxCached bounds the memory of cached reads.
const maxCached = 1024

// setCacheHeaders tells whether an agent's cache would have held this read. The
// data is never older than the store.
func (c *Catalog) setCacheHeaders(w http.ResponseWriter, path, token string, p url.Values) {
	for _, varying := range []string{"index", "wait", "stale", "cached", "pretty"} {
		p.Del(varying)
	}
	key := token + " " + path + "?" + p.Encode()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cached[key] {
		w.Header().Set("X-Cache", "HIT")
		w.Header().Set("Age", "0")
		return
	}
	w.Header().Set("X-Cache", "MISS")
	if len(c.cached) == maxCached {
		clear(c.cached)
	}
	c.cached[key] = true
}
