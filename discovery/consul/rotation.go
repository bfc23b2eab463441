package consul

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	filesEvery = 5 * time.Second // between two looks at the files
	restarts   = 5 * time.Second // over which watches are restarted after a change
)

// errRotated ends a query that waits with a token or a certificate of the past.
var errRotated = errors.New("the token or the certificate has changed")

// rotation finds out that the files of the token or of TLS have changed, and
// has the queries that wait begin again. By content, since a time of change may
// be coarse and a link may be turned to another file.
type rotation struct {
	token, tls secret
	rebuild    func() error // of the road
	told       func(what string, err error)

	mu      sync.Mutex
	changed chan struct{}                   // closed at a change, and replaced
	waiting map[int]context.CancelCauseFunc // the queries that wait
	next    int
}

// secret is what is in some files, and in those of a directory.
type secret struct {
	files []string
	dir   string // "" for none
	sum   [sha256.Size]byte
}

func newRotation(token string, tls api.TLSConfig) *rotation {
	r := &rotation{changed: make(chan struct{}), waiting: make(map[int]context.CancelCauseFunc)}
	if token != "" {
		r.token.files = []string{token}
	}
	for _, file := range []string{tls.CAFile, tls.CertFile, tls.KeyFile} {
		if file != "" {
			r.tls.files = append(r.tls.files, file)
		}
	}
	if tls.CAFile == "" { // which comes first
		r.tls.dir = tls.CAPath
	}
	_, _ = r.token.look()
	_, _ = r.tls.look()
	return r
}

func (r *rotation) any() bool { return r.token.any() || r.tls.any() }

func (s *secret) any() bool { return len(s.files) > 0 || s.dir != "" }

// look reads the files, and tells whether they hold something new. What cannot
// be read is not new: it may be about to be replaced.
func (s *secret) look() (changed bool, err error) {
	files := s.files
	if s.dir != "" {
		// As the library does, which takes all that it finds below.
		err := filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				files = append(slices.Clip(files), path)
			}
			return err
		})
		if err != nil {
			return false, err
		}
	}
	h := sha256.New()
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return false, err
		}
		one := sha256.Sum256(raw)
		h.Write(one[:])
	}
	sum := [sha256.Size]byte(h.Sum(nil))
	changed, s.sum = sum != s.sum, sum
	return changed, nil
}

// run looks at the files until ctx ends.
func (r *rotation) run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		renewed := false
		if changed, _ := r.token.look(); changed {
			renewed = true
			r.tell("token", nil)
		}
		if changed, _ := r.tls.look(); changed {
			err := r.rebuild()
			renewed = renewed || err == nil
			r.tell("TLS files", err)
		}
		if renewed {
			r.restart(ctx, min(restarts, every))
		}
	}
}

func (r *rotation) tell(what string, err error) {
	if r.told != nil {
		r.told(what, err)
	}
}

// restart has the queries that wait begin again, spread over a time, so that
// Consul does not get all of them at once.
func (r *rotation) restart(ctx context.Context, over time.Duration) {
	r.mu.Lock()
	close(r.changed)
	r.changed = make(chan struct{})
	var cancels []context.CancelCauseFunc
	for _, cancel := range r.waiting {
		cancels = append(cancels, cancel)
	}
	r.mu.Unlock()
	for _, cancel := range cancels {
		t := time.NewTimer(rand.N(2*over/time.Duration(len(cancels)) + 1))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
			cancel(errRotated)
		}
	}
}

// renewal is closed when a token or a certificate has changed since.
func (r *rotation) renewal() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// hold makes a context for a query that waits, which ends when it must begin
// again. The function returned ends the hold.
func (r *rotation) hold(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	id := r.next
	r.next++
	r.waiting[id] = cancel
	return ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiting, id)
		cancel(nil)
	}
}
