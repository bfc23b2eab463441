package catalog

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// wrap puts the faults in front of a handler.
func (f *Faults) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set := f.match(r.URL.Path)
		if set == nil {
			next.ServeHTTP(w, r)
			return
		}
		switch set.Kind {
		case NoLeader:
			write(w, r, nil, failure(http.StatusInternalServerError, "No cluster leader"))
		case Forbidden:
			write(w, r, nil, errPermissionDenied)
		case TooManyRequests:
			w.Header().Set("Connection", "close")
			write(w, r, nil, failure(http.StatusTooManyRequests, "Your IP is issuing too many concurrent connections, please rate limit your calls\n"))
		case Unavailable:
			write(w, r, nil, failure(http.StatusServiceUnavailable, "rate limit exceeded, try again later or against a different server"))
		case Hang:
			f.pause(r, nil)
		case Slow:
			timer := time.NewTimer(set.Delay)
			defer timer.Stop()
			if f.pause(r, timer.C) {
				next.ServeHTTP(w, r)
			}
		case Null:
			setMeta(w, baseIndex, true, "blocking-query")
			write(w, r, json.RawMessage("null"), nil)
		case Empty:
			setMeta(w, 0, false, "streaming")
			write(w, r, []any{}, nil)
		case ACLEmpty:
			setMeta(w, baseIndex, true, "blocking-query")
			w.Header().Set("X-Consul-Results-Filtered-By-Acls", "true")
			write(w, r, []any{}, nil)
		case StaleViews:
			f.alternate(set, next, w, r)
		default:
			rec := record(next, r)
			rec.spoil(set.Kind)
			rec.play(w)
		}
	})
}

// pause waits for a signal and reports whether it came before the request or
// the catalog ended.
func (f *Faults) pause(r *http.Request, signal <-chan time.Time) bool {
	select {
	case <-signal:
		return true
	case <-r.Context().Done():
	case <-f.stopped():
	}
	return false
}

// maxFrozen bounds the answers that one StaleViews fault remembers.
const maxFrozen = 64

// A frozenView is the answer of a server that has stopped following.
type frozenView struct {
	answer *recording
	asked  int
}

// alternate answers as two servers in turns, of which one has stopped
// following: every second request gets what the first one like it got.
func (f *Faults) alternate(set *activeFault, next http.Handler, w http.ResponseWriter, r *http.Request) {
	p := r.URL.Query()
	p.Del("index")
	p.Del("wait")
	key := r.URL.Path + "?" + p.Encode()
	f.mu.Lock()
	frozen := set.frozen[key]
	stale := false
	if frozen != nil {
		frozen.asked++
		stale = frozen.asked%2 == 1
	}
	f.mu.Unlock()
	if stale {
		frozen.answer.play(w)
		return
	}
	rec := record(next, r)
	f.mu.Lock()
	if len(set.frozen) < maxFrozen && set.frozen[key] == nil {
		set.frozen[key] = &frozenView{answer: rec}
	}
	f.mu.Unlock()
	rec.play(w)
}

// A recording is an answer held back. Once made it does not change, except by
// spoil before anyone else sees it.
type recording struct {
	header http.Header
	status int
	body   bytes.Buffer
	cut    int // bytes of the body that are announced and never sent
}

func record(h http.Handler, r *http.Request) *recording {
	rec := &recording{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(rec, r)
	return rec
}

func (rec *recording) Header() http.Header            { return rec.header }
func (rec *recording) WriteHeader(status int)         { rec.status = status }
func (rec *recording) Write(body []byte) (int, error) { return rec.body.Write(body) }

func (rec *recording) play(w http.ResponseWriter) {
	maps.Copy(w.Header(), rec.header)
	w.WriteHeader(rec.status)
	body := rec.body.Bytes()
	// A body shorter than announced makes the server drop the connection.
	_, _ = w.Write(body[:len(body)-rec.cut])
}

// spoil changes the answer as a fault wants it.
func (rec *recording) spoil(kind FaultKind) {
	switch kind {
	case Truncated:
		rec.cut = (rec.body.Len() + 1) / 2
	case NoLastContact:
		rec.header.Del("X-Consul-Lastcontact")
	case IndexMissing:
		rec.header.Del("X-Consul-Index")
	}
	index, err := strconv.ParseUint(rec.header.Get("X-Consul-Index"), 10, 64)
	if err != nil {
		return // this answer has none
	}
	switch kind {
	case IndexFalls:
		rec.header.Set("X-Consul-Index", strconv.FormatUint(max(index/2, 1), 10))
	case IndexZero:
		rec.header.Set("X-Consul-Index", "0")
	case IndexGarbage:
		rec.header.Set("X-Consul-Index", "not-a-number")
	}
}
