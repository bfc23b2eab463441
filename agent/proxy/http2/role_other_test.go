//go:build !unix

package http2

func playsRole() bool { return false }
