package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// distribution is one of service times, in units of their mean.
type distribution struct {
	name string
	draw func(*rand.Rand) float64 // with a mean of 1
}

// sigma is the lognormal distribution's: the slowest of a hundred requests
// takes ten times the mean.
const sigma = 1.5

// Of the bimodal distribution: how much longer a long request takes, and how
// many requests are long.
const (
	longer = 20
	long   = 0.05
)

func distributions() []distribution {
	return []distribution{
		{"exponential", (*rand.Rand).ExpFloat64},
		{"lognormal", func(r *rand.Rand) float64 { return math.Exp(sigma*r.NormFloat64() - sigma*sigma/2) }},
		{"bimodal", func(r *rand.Rand) float64 {
			const short = 1 / (1 - long + long*longer)
			if r.Float64() < long {
				return longer * short
			}
			return short
		}},
		{"constant", func(*rand.Rand) float64 { return 1 }},
	}
}

func distributionNames() []string {
	var names []string
	for _, d := range distributions() {
		names = append(names, d.name)
	}
	return names
}

func distributionByName(name string) (distribution, error) {
	for _, d := range distributions() {
		if d.name == name {
			return d, nil
		}
	}
	return distribution{}, fmt.Errorf("there is no distribution %q; there are %s", name, strings.Join(distributionNames(), ", "))
}
