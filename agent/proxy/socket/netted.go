package socket

import (
	"net"
	"net/netip"
	"time"
)

// netted is what a line leaves to package net.
type netted struct{ *Conn }

func (n netted) closeWrite() error {
	if half, ok := n.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return n.conn.Close()
}

func (n netted) close() error { return n.conn.Close() }

func (n netted) breakOnClose() {
	if lingers, ok := n.conn.(interface{ SetLinger(sec int) error }); ok {
		_ = lingers.SetLinger(0)
	}
}

func (n netted) interrupt(write bool) {
	if write {
		_ = n.conn.SetDeadline(past) // fails if it is closed, which does as well
		return
	}
	n.stopRead(true)
}

func (n netted) stopRead(stop bool) {
	var at time.Time
	if stop || n.cut.Load() {
		at = past
	}
	_ = n.conn.SetReadDeadline(at) // as above
}

func (netted) home() *Loop { return nil }

func (n netted) address() netip.AddrPort {
	if peer, ok := n.conn.RemoteAddr().(*net.TCPAddr); ok {
		return peer.AddrPort()
	}
	return netip.AddrPort{}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)
