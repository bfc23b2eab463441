package telemetry

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr/funcr"
	"go.opentelemetry.io/otel"
)

const (
	reportAgain = time.Minute // for the same text
	reportTexts = 32          // different ones within that time
)

// reporter passes on what the SDK has to say, not too often: a collector that
// is away fails each export with the same words. It is the process's
// otel.ErrorHandler.
type reporter struct {
	to  func(error) // nil: nobody
	off atomic.Bool

	mu   sync.Mutex
	told map[string]time.Time
}

// Handle implements otel.ErrorHandler.
func (r *reporter) Handle(err error) {
	if err != nil && r.to != nil && !r.off.Load() && r.fresh(err.Error(), time.Now()) {
		r.to(err)
	}
}

// fresh tells whether a text was not told of late, and notes that it is now.
func (r *reporter) fresh(words string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for known, at := range r.told {
		if now.Sub(at) >= reportAgain {
			delete(r.told, known)
		}
	}
	if _, known := r.told[words]; known || len(r.told) >= reportTexts {
		return false
	}
	if r.told == nil {
		r.told = make(map[string]time.Time)
	}
	r.told[words] = now
	return true
}

// listen has the SDK tell what it does here too, as much of it as
// OTEL_LOG_LEVEL says: error is the default, since what fails is reported in
// any case, and none silences even that.
func (r *reporter) listen(level string) {
	verbosity, known := map[string]int{"": 0, "error": 0, "none": 0, "warn": 1, "info": 4, "debug": 8}[strings.ToLower(level)]
	if !known {
		r.Handle(fmt.Errorf("telemetry: OTEL_LOG_LEVEL: there is no level %q; passed over", level))
	}
	if strings.EqualFold(level, "none") {
		r.off.Store(true)
	}
	otel.SetLogger(funcr.New(func(_, words string) { r.Handle(errors.New("telemetry: SDK: " + words)) }, funcr.Options{Verbosity: verbosity}))
}

// Println lets the scrape handler complain here.
func (r *reporter) Println(v ...any) {
	r.Handle(errors.New("telemetry: scrape: " + strings.TrimSpace(fmt.Sprintln(v...))))
}
