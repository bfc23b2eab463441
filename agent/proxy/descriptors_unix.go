//go:build unix

package proxy

import "syscall"

// descriptorLimit is how many descriptors the process may have; 0: not known.
// Go has raised it as far as the system lets it.
func descriptorLimit() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur) //nolint:unconvert // it is signed on some systems
}
