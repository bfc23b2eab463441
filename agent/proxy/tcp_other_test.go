//go:build !linux

package proxy

import "testing"

// descriptors cannot be counted here.
func descriptors(testing.TB) int { return -1 }

// blackhole cannot be had here: a connection for which a listener has no room
// is answered.
func blackhole(t testing.TB) string {
	t.Skip("only Linux ignores connections for which there is no room")
	return ""
}
