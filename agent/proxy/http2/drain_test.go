package http2

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// S1: a drain loses nothing. The client is told first and cut off from opening
// streams only once it must have read that, and what is open ends as it would.
func TestDrain(t *testing.T) {
	l := listen(t)
	defer l.Close()
	r := rawDial(t, l.Addr().String())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	finish := make(chan struct{})
	v := NewServer(c, nil, ServerOptions{}, func(s *ServerStream) {
		<-finish
		_ = s.Respond(&message.Response{Status: 200, Length: 4}, false)
		_ = s.WriteBody([]byte("done"))
		_ = s.Finish(nil)
	})
	ended := make(chan error, 1)
	go func() { ended <- v.Serve() }()
	_, _ = r.net.Write([]byte(Preface))
	_ = r.WriteSettings()
	r.get(1)
	r.alive()
	v.Drain()
	v.Drain() // is all the same
	v.mu.Lock()
	v.watch.timer.Stop() // so it is the client's answer that has it go on
	v.mu.Unlock()
	if f := until(r, func(*xhttp2.GoAwayFrame) bool { return true }); f.LastStreamID != maxStreamID || f.ErrCode != 0 {
		t.Errorf("the notice: %v", f)
	}
	ping := until(r, func(f *xhttp2.PingFrame) bool { return !f.IsAck() })
	r.get(3) // it was opened before the notice came
	_ = r.WritePing(true, ping.Data)
	if f := until(r, func(*xhttp2.GoAwayFrame) bool { return true }); f.LastStreamID != 3 || f.ErrCode != 0 {
		t.Errorf("the last call: %v", f)
	}
	r.get(5) // this is not looked at
	r.alive()
	close(finish)
	done := ""
	for {
		f, err := r.ReadFrame()
		if err != nil {
			break
		}
		if d, ok := f.(*xhttp2.DataFrame); ok {
			done += fmt.Sprint(d.StreamID, string(d.Data()), " ")
		}
	}
	if done = strings.ReplaceAll(done, "done ", ""); done != "13" && done != "31" {
		t.Errorf("%s", done)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A client that does not answer the PING is not waited for long.
func TestDrainOfTheDeaf(t *testing.T) {
	l := listen(t)
	defer l.Close()
	r := rawDial(t, l.Addr().String())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	v := NewServer(c, nil, ServerOptions{Stall: 100 * time.Millisecond}, ok)
	ended := make(chan error, 1)
	go func() { ended <- v.Serve() }()
	_, _ = r.net.Write([]byte(Preface))
	_ = r.WriteSettings()
	r.alive()
	v.Drain()
	r.closed()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// A connection that is closed under its handlers has them fail, and waits for
// them.
func TestClose(t *testing.T) {
	begun := make(chan struct{})
	c, s := net.Pipe()
	defer c.Close()
	v := NewServer(s, nil, ServerOptions{}, func(s *ServerStream) {
		close(begun)
		if _, err := s.NextBody(); err == nil {
			t.Error("a body comes from nowhere")
		}
	})
	ended := make(chan error, 1)
	go func() { ended <- v.Serve() }()
	r := newRaw(t, c)
	_, _ = c.Write([]byte(Preface))
	_ = r.WriteSettings()
	r.post(1)
	<-begun
	v.Close()
	<-ended
}
