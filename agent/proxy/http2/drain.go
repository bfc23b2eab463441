package http2

import "bytes"

// phase is how far a server's connection is on its way to its end.
type phase uint8

const (
	serving  phase = iota
	noticed        // the client was told that lastCall is near
	lastCall       // no stream after final is looked at
	leaving        // all is answered
)

// drainPing is what the PING that follows the notice carries. Its answer shows
// that the client has read the notice: what it opened before is here.
var drainPing = []byte("draining")

// Drain has the client open no more streams, lets those that there are end,
// and then ends the connection. It does not wait for that. Requests on their
// way are not lost by it (RFC 9113 section 6.8).
func (v *Server) Drain() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.phase != serving {
		return
	}
	v.phase = noticed
	v.out.frames = appendGoAway(v.out.frames, maxStreamID, NoError, "")
	v.control(appendPing(v.out.frames, 0, drainPing))
	if v.watch.timer != nil {
		v.watch.timer.Reset(v.watch.period)
	}
}

// ponged implements side.
func (v *Server) ponged(data []byte) {
	if v.phase == noticed && bytes.Equal(data, drainPing) {
		v.callLast()
	}
}

// callLast tells the client which streams are the last that we look at.
func (v *Server) callLast() {
	v.phase, v.final = lastCall, v.newest
	v.control(appendGoAway(v.out.frames, v.final, NoError, ""))
	v.leave()
}

// leave ends the connection when there is nothing left to do.
func (v *Server) leave() {
	if v.phase == lastCall && v.handlers == 0 && len(v.streams) == 0 {
		v.phase = leaving
		v.out.last = true
		v.flush()
	}
}
