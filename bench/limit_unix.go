//go:build unix

package main

import "syscall"

// raiseLimit lets this process and those it starts have as many files open as
// the machine allows. Go itself does so too, but not for the processes that it
// starts.
func raiseLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
