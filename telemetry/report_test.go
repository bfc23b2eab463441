package telemetry

import (
	"errors"
	"fmt"
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
