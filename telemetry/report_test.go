package telemetry

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestReporter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		r := &reporter{to: func(err error) { told = append(told, err.Error()) }}
		say := func(words string, want int) {
			t.Helper()
			r.Handle(errors.New(words))
			if len(told) != want {
				t.Errorf("after %q: %q", words, told)
			}
		}
		say("a", 1)
		say("a", 1)
		say("b", 2)
		time.Sleep(reportAgain - time.Nanosecond)
		say("a", 2)
		time.Sleep(time.Nanosecond)
		say("a", 3)
		for i := range 10 * reportTexts {
			r.Handle(fmt.Errorf("text %d", i))
		}
		if n := len(told); n != 3+reportTexts-1 {
			t.Errorf("%d told", n)
		}
		if len(r.told) > reportTexts {
			t.Errorf("%d kept in mind", len(r.told))
		}
		time.Sleep(reportAgain)
		r.off.Store(true)
		say("c", 3+reportTexts-1)
		r.Handle(nil)
		(&reporter{}).Handle(errors.New("for nobody"))
	})
}

// OTEL_LOG_LEVEL decides how much the SDK tells of itself.
func TestLogLevelOfTheSDK(t *testing.T) {
	for level, want := range map[string]struct{ made, unknown bool }{
		"": {}, "error": {}, "Info": {made: true}, "debug": {made: true}, "none": {}, "loud": {unknown: true},
	} {
		t.Run(level, func(t *testing.T) {
			t.Setenv("OTEL_LOG_LEVEL", level)
			var mu sync.Mutex
			var told strings.Builder
			c := Config{Traces: Traces{Exporter: Exporter{Exporters: []string{exporterOTLP}}}, OnError: func(err error) {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintln(&told, err)
			}}
			tel, err := Setup(t.Context(), c, nil)
			if err != nil {
				t.Fatal(err)
			}
			tel.report.Handle(errors.New("telemetry: it failed"))
			if err := tel.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for words, want := range map[string]bool{
				"MeterProvider created": want.made, "no level": want.unknown, "it failed": level != "none",
			} {
				if strings.Contains(told.String(), words) != want {
					t.Errorf("%q is told: %v, in\n%s", words, !want, told.String())
				}
			}
		})
	}
}
