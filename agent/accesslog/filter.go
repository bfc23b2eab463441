package accesslog

import (
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// Filter says which requests are written: a share of all, and those besides
// that something is the matter with. The zero value is none.
type Filter struct {
	// Sample is the share, from 0 to 1. It goes by trace ID where there is
	// one, in the manner of OpenTelemetry's TraceIDRatioBased: agents on a
	// trace's way decide alike, and with the same ratio for traces that begin
	// here the same requests have a line and a trace.
	Sample      float64
	Statuses    []Statuses    // that are always written
	MinDuration time.Duration // from which on they are; 0: never for this
	Retried     bool          // with more than one attempt
	Failed      bool          // with the outcome failed
}

// failed is the Outcome that Filter.Failed means.
const failed = "failed"

// Statuses is an inclusive range of status codes.
type Statuses struct{ From, To int }

func (f *Filter) keeps(e *Entry) bool {
	if f.MinDuration > 0 && e.Duration >= f.MinDuration || f.Retried && e.Attempts > 1 || f.Failed && e.Outcome == failed {
		return true
	}
	for _, s := range f.Statuses {
		if s.From <= e.Status && e.Status <= s.To {
			return true
		}
	}
	switch {
	case f.Sample >= 1:
		return true
	case f.Sample <= 0:
		return false
	}
	n := rand.Uint64()
	if e.TraceID != ([16]byte{}) {
		n = binary.BigEndian.Uint64(e.TraceID[8:])
	}
	return n>>1 < uint64(f.Sample*(1<<63))
}
