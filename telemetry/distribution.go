package telemetry

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
)

// lanes is how many sets of cells there are, so that cores do not wait for
// each other's cache lines. An exchange keeps to the lane that it was given; to
// share one is slower, and as right.
const lanes = 8

// cacheLine is what cores exchange at once, in words of eight bytes; with the
// line beside it, which is fetched along with it.
const cacheLine = 16

// distribution is one series of a histogram. It is recorded into here, and not
// into the SDK's histogram, since that looks at all attributes of a set at each
// measurement, which takes longer than the rest of a request's telemetry.
type distribution struct {
	attributes attribute.Set
	*recording
	cells     []atomic.Int64 // of each lane: the sum, then the count of each bucket
	stride    int            // from one lane to the next
	exemplars *exemplar.HistogramReservoir
	offered   []atomic.Int64        // of each bucket: when an exemplar was last, in ns of Unix time
	options   []metric.RecordOption // for an SDK's histogram
}

// recording is what all distributions of one histogram go by. Durations are
// counted in ns and told in seconds; bytes are bytes.
type recording struct {
	bounds []int64                 // upper, inclusive, of all buckets but the last
	told   []float64               // the same, in the histogram's unit
	unit   float64                 // how many of what is counted are one of it
	keeps  exemplars               // measurements to be told of
	sdk    metric.Float64Histogram // to record into instead; nil: none
}

func newRecording(i Instrument) *recording {
	r := &recording{told: i.Buckets, unit: 1, keeps: exemplarFilter()}
	if i.Unit == unitSeconds {
		r.unit = float64(time.Second)
	}
	for _, bound := range i.Buckets {
		r.bounds = append(r.bounds, int64(bound*r.unit+0.5))
	}
	return r
}

// exemplars are the measurements that may be kept as such: those in a recorded
// span, and the others.
type exemplars struct{ recorded, others bool }

// exemplarFilter follows OTEL_METRICS_EXEMPLAR_FILTER, as the SDK does.
func exemplarFilter() exemplars {
	switch variable("OTEL_METRICS_EXEMPLAR_FILTER") {
	case "always_on":
		return exemplars{true, true}
	case "always_off":
		return exemplars{}
	}
	return exemplars{recorded: true}
}

func (r *recording) distribution(attrs ...attribute.KeyValue) *distribution {
	set := attribute.NewSet(attrs...)
	words := 2 + len(r.bounds)
	stride := (words+cacheLine-1)/cacheLine*cacheLine + cacheLine
	return &distribution{
		attributes: set,
		recording:  r,
		cells:      make([]atomic.Int64, lanes*stride),
		stride:     stride,
		exemplars:  exemplar.NewHistogramReservoir(r.told),
		offered:    make([]atomic.Int64, len(r.bounds)+1),
		options:    []metric.RecordOption{metric.WithAttributeSet(set)},
	}
}

// add records one measurement. It may become an exemplar, of the span if there is
// one that is recorded and has ended; nil is none.
func (d *distribution) add(of *span, lane int, amount int64) {
	if d.sdk != nil {
		d.sdk.Record(of.measured(), float64(amount)/d.unit, d.options...)
		return
	}
	bucket := 0
	for bucket < len(d.bounds) && amount > d.bounds[bucket] {
		bucket++
	}
	cells := d.cells[lane*d.stride:]
	cells[1+bucket].Add(1)
	cells[0].Add(amount)
	switch {
	case of.recorded() && d.keeps.recorded:
		d.offer(of, bucket, of.ended, amount)
	case !of.recorded() && d.keeps.others:
		d.offer(of, bucket, time.Now(), amount)
	}
}

// exemplarsEvery is how often a bucket is offered an exemplar, of which one is
// shown for each time that the histogram is read.
const exemplarsEvery = 10 * time.Millisecond

func (d *distribution) offer(of *span, bucket int, now time.Time, amount int64) {
	if at := now.UnixNano(); at-d.offered[bucket].Load() >= int64(exemplarsEvery) {
		d.offered[bucket].Store(at)
		d.exemplars.Offer(of.measured(), now, exemplar.NewValue(float64(amount)/d.unit), nil)
	}
}

// measure records one duration outside of any exchange.
func (d *distribution) measure(took time.Duration) {
	d.add(nil, rand.IntN(lanes), int64(took))
}

// tallies is what a distribution held at about one moment: a measurement that
// is under way may be in the counts and not in the sum yet.
type tallies struct {
	buckets []uint64
	count   uint64
	sum     int64
}

func (d *distribution) read() tallies {
	t := tallies{buckets: make([]uint64, len(d.bounds)+1)}
	for cells := range slices.Chunk(d.cells, d.stride) {
		t.sum += cells[0].Load()
		for i := range t.buckets {
			n := uint64(cells[1+i].Load())
			t.buckets[i] += n
			t.count += n
		}
	}
	return t
}

// since is what came after an earlier reading; the zero value is none.
func (t tallies) since(earlier tallies) tallies {
	d := tallies{buckets: slices.Clone(t.buckets), count: t.count - earlier.count, sum: t.sum - earlier.sum}
	for i, n := range earlier.buckets {
		d.buckets[i] -= n
	}
	return d
}
