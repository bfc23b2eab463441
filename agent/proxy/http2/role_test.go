//go:build unix

package http2

import "os"

// playsRole makes the process the one of a benchmark that it was started as.
func playsRole() bool {
	role, ok := os.LookupEnv(roleVariable)
	if ok {
		playRole(role)
	}
	return ok
}
