package main

import "slices"

// spread is what several rounds came to. The zero spread is of none.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Rounds int     `json:"rounds"`
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1], Rounds: n}
}

// text shows the median and, of more than one round, how far they are apart.
func (s spread) text() string {
	switch s.Rounds {
	case 0:
		return "–"
	case 1:
		return figure(s.Median)
	}
	return figure(s.Median) + " (" + figure(s.Min) + "–" + figure(s.Max) + ")"
}

// values are a metric of those samples that have it.
func values(samples []sample, m metric) (all []float64) {
	for _, s := range samples {
		if v, ok := s[m]; ok {
			all = append(all, v)
		}
	}
	return all
}

// ratios are a metric of ours to theirs, each of the same round, so that what
// the machine did besides hits both alike.
func ratios(ours, theirs []sample, m metric) (all []float64) {
	for i := range min(len(ours), len(theirs)) {
		a, ok := ours[i][m]
		b, too := theirs[i][m]
		if ok && too && a > 0 && b > 0 {
			all = append(all, a/b)
		}
	}
	return all
}
