package config

import (
	"testing"
	"time"
)

// What is not written follows from what is.
func TestDampingDefaults(t *testing.T) {
	for written, want := range map[string]*Damping{
		"":                             nil,
		`damping {}`:                   {6, 3, 10 * time.Minute, 40 * time.Minute},
		`damping { suppress = 2.5 }`:   {2.5, 1.25, 10 * time.Minute, 40 * time.Minute},
		`damping { half_life = "1m" }`: {6, 3, time.Minute, 4 * time.Minute},
		"damping {\n max_time = \"1m\"\n reuse = 1 \n}": {6, 1, 10 * time.Minute, time.Minute},
	} {
		c, diags := Parse("test.hcl", []byte(`upstream "web" {
			listen = "127.0.0.1:0"
			consul { service = "web" }
			health {
				`+written+`
			}
		}`))
		if diags != nil {
			t.Errorf("%s: %v", written, diags)
			continue
		}
		equal(t, written, c.Upstreams[0].Health.Damping, want)
	}
}
