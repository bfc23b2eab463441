package telemetry

import (
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// meters are the instruments as the SDK has them.
type meters struct {
	histograms map[string]metric.Float64Histogram
	ints       map[string]metric.Int64Observable
	floats     map[string]metric.Float64Observable
}

// newMeters creates all instruments.
func newMeters(m metric.Meter, all []Instrument) (meters, error) {
	made := meters{
		histograms: make(map[string]metric.Float64Histogram),
		ints:       make(map[string]metric.Int64Observable),
		floats:     make(map[string]metric.Float64Observable),
	}
	for _, i := range all {
		if err := made.add(m, i); err != nil {
			return meters{}, fmt.Errorf("telemetry: instrument %q: %w", i.Name, err)
		}
	}
	return made, nil
}

func (made meters) add(m metric.Meter, i Instrument) (err error) {
	unit, description := metric.WithUnit(i.Unit), metric.WithDescription(i.Description)
	whole := i.whole()
	switch {
	case i.Kind == Histogram:
		made.histograms[i.Name], err = m.Float64Histogram(i.Name, unit, description, metric.WithExplicitBucketBoundaries(i.Buckets...))
	case i.Kind == Counter && whole:
		made.ints[i.Name], err = m.Int64ObservableCounter(i.Name, unit, description)
	case i.Kind == Counter:
		made.floats[i.Name], err = m.Float64ObservableCounter(i.Name, unit, description)
	case i.Kind == UpDownCounter:
		made.ints[i.Name], err = m.Int64ObservableUpDownCounter(i.Name, unit, description)
	case whole:
		made.ints[i.Name], err = m.Int64ObservableGauge(i.Name, unit, description)
	default:
		made.floats[i.Name], err = m.Float64ObservableGauge(i.Name, unit, description)
	}
	return err
}

// observables are the instruments that a callback may observe.
func (made meters) observables() []metric.Observable {
	all := make([]metric.Observable, 0, len(made.ints)+len(made.floats))
	for _, i := range made.ints {
		all = append(all, i)
	}
	for _, f := range made.floats {
		all = append(all, f)
	}
	return all
}

// observation is one collection under way.
type observation struct {
	meters
	metric.Observer
	backends int // see collector
}

func (o observation) int(name string, v int64, set attribute.Set) {
	o.ObserveInt64(o.ints[name], v, metric.WithAttributeSet(set))
}

func (o observation) float(name string, v float64, set attribute.Set) {
	o.ObserveFloat64(o.floats[name], v, metric.WithAttributeSet(set))
}
