package socket

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// A listener that is lent to one acceptor after another wakes the last one only.
func TestAcceptorsOneAfterAnother(t *testing.T) {
	loops := newLoops(t, 1)
	l := listening(t, "tcp", "127.0.0.1:0")
	for range 5 {
		a := NewAcceptor(ending{l, make(chan struct{})}, loops)
		if a.Loop() == nil {
			t.Error("it does not accept on a loop")
		}
		a.Close()
	}
	watched, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", loops.all[0].poll))
	if err != nil {
		t.Skip(err)
	}
	if n := strings.Count(string(watched), "tfd:"); n != 1 { // the bell
		t.Errorf("%d are watched:\n%s", n, watched)
	}
}
