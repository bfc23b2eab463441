package http2

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// ServerOptions say how a client is dealt with. The zero value sets no limits
// of time, and otherwise the ones named here.
type ServerOptions struct {
	MaxStreams     int           // at once; 0 means 100
	MaxHeaderBytes int           // of a head, as HPACK counts them; 0 means 64 KiB
	MaxHeaders     int           // fields of a head; 0 means 256
	Header         time.Duration // for the preface with its SETTINGS, and for each head; 0: no limit
	Idle           time.Duration // a connection without streams is closed after it; 0: never
	Stall          time.Duration // a write that gets nowhere ends the connection after it; 0: never
	Log            func(error)   // is told of faults of the client, with the connection locked; nil: nobody is

	// Refuse answers a request that must go no further, in place of the
	// handler: one with a head that is too large or has too many fields, of
	// which only a part is there, with 431, and CONNECT with 405. Where such a
	// head ends the connection the answer is out already, and that of Refuse
	// goes nowhere. nil means an answer of the status alone.
	Refuse func(s *ServerStream, status int, why error)
}

func refuse(s *ServerStream, status int, _ error) {
	_ = s.Respond(&message.Response{Status: status, Declared: 0}, true)
}

const (
	defaultMaxStreams     = 100
	defaultMaxHeaderBytes = 64 << 10
	defaultMaxHeaders     = 256
)

// Server is the side of an app's connection. Create it with NewServer.
type Server struct {
	conn
	o      ServerOptions
	handle func(*ServerStream)
	peer   netip.AddrPort

	free     []*ServerStream // good as new
	pending  []*ServerStream // they wait for a handler to end
	starting []*ServerStream // their handlers are to begin once what came is dealt with
	handlers int             // that run
	work     chan *ServerStream
	workers  sync.WaitGroup

	phase phase
	final uint32 // the last stream that is served, from lastCall on
	count uint64 // streams so far
	waits serverWatch
}

// NewServer makes the server of a connection whose first bytes were read
// already. It starts nothing. handle is called for each request, in a
// goroutine that does nothing else meanwhile, and of which at most MaxStreams
// run. It must not panic.
func NewServer(c net.Conn, ahead []byte, o ServerOptions, handle func(*ServerStream)) *Server {
	if o.MaxStreams == 0 {
		o.MaxStreams = defaultMaxStreams
	}
	if o.MaxHeaderBytes == 0 {
		o.MaxHeaderBytes = defaultMaxHeaderBytes
	}
	if o.MaxHeaders == 0 {
		o.MaxHeaders = defaultMaxHeaders
	}
	if o.Refuse == nil {
		o.Refuse = refuse
	}
	v := &Server{o: o, handle: handle, work: make(chan *ServerStream)}
	v.init(c, v, block{limit: o.MaxHeaderBytes, most: o.MaxHeaderBytes + maxFrame, fields: o.MaxHeaders})
	v.log = o.Log
	v.in.begin(ahead)
	v.peer = addressOf(c.RemoteAddr())
	return v
}

func addressOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}

// Serve speaks with the client until the connection ends and every handler has
// returned. It returns nil where the client, or a drain, ended it in order. It
// is called once.
func (v *Server) Serve() error {
	v.mu.Lock()
	v.out.frames = appendSettings(v.out.frames,
		setting{settingStreams, uint32(v.o.MaxStreams)},
		setting{settingHeaderList, uint32(v.o.MaxHeaderBytes)})
	v.out.frames = appendWindowUpdate(v.out.frames, 0, connWindow-initialWindow)
	v.flush()
	v.startWatch(v.tick, v.o.Header, v.o.Idle, v.o.Stall)
	v.mu.Unlock()
	err := v.in.preface(v.net)
	if err == nil {
		err = v.read()
	}
	err = v.end(err)
	close(v.work)
	v.workers.Wait()
	return err
}

// Close ends the connection at once. Serve returns soon after.
func (v *Server) Close() error { return v.net.Close() }

func (v *Server) unborn(id uint32) bool { return id%2 == 0 || id > v.newest }

// opening implements side.
func (v *Server) opening(b *block, f *frame) error {
	if s := v.streams[f.stream]; s != nil {
		if s.received {
			v.breakOff(s, fault(StreamClosed, "HEADERS after the end"))
			return nil
		}
		b.stream, b.header = s, &s.trailer
		if !b.end {
			b.fault("trailers that are not the last")
		}
		return nil
	}
	if f.stream%2 == 0 {
		return fault(ProtocolError, "a client opened a stream of an even number")
	}
	if f.stream <= v.newest {
		switch known, cut := v.past.has(f.stream); {
		case cut:
			return nil
		case known:
			return fault(StreamClosed, "HEADERS of a stream that is closed")
		}
		return fault(ProtocolError, "the number of a stream is lower than the last")
	}
	v.newest = f.stream
	if v.phase >= lastCall && f.stream > v.final {
		v.past.add(f.stream, true) // we told it that we will not look at these
		return nil
	}
	if len(v.streams) >= v.o.MaxStreams {
		v.reset(f.stream, RefusedStream)
		v.past.add(f.stream, true)
		return v.rapid()
	}
	s := v.fresh()
	s.id = f.stream
	b.server, b.stream, b.request, b.header = s, &s.stream, &s.request, &s.request.Header
	return nil
}

// opened implements side.
func (v *Server) opened(b *block) error {
	s := b.server
	switch {
	case b.stream == nil:
		return nil
	case s == nil: // trailers
		if b.large {
			b.fault("trailers that are too large")
		}
		if b.stream.left > 0 && b.stream.left != message.Unknown {
			b.fault("DATA does not come to the declared length")
		}
		if b.wrong != "" {
			v.breakOff(b.stream, fault(ProtocolError, "%s", b.wrong))
			return v.rapid()
		}
		v.productive()
		b.stream.end()
		v.rouse(b.stream)
		return nil
	}
	if !b.large {
		b.finishRequest()
	}
	switch {
	case b.wrong != "":
		return v.turnAway(b)
	case b.endless:
		v.sendAway(b, 431)
		return nil
	case b.large:
		s.request.Major = 2
		s.status, s.why = 431, errors.New(b.excess())
	case string(s.request.Method) == "CONNECT":
		s.status, s.why = 405, errors.New("CONNECT is not for this proxy")
	}
	v.productive()
	v.heads++
	s.open(b.id)
	s.request.Peer = v.peer
	s.left = b.length
	s.received = b.end
	v.count++
	if v.handlers < v.o.MaxStreams {
		v.handlers++
		v.starting = append(v.starting, s)
	} else {
		v.await(s)
	}
	return nil
}

// turnAway ends a stream that no handler gets to see, as it is malformed.
func (v *Server) turnAway(b *block) error {
	v.past.add(b.id, true)
	if v.log != nil {
		v.log(fault(ProtocolError, "%s", b.wrong))
	}
	v.reset(b.id, ProtocolError)
	v.recycle(b.server)
	return v.rapid()
}

// sendAway answers a request whose head is so large that the connection ends
// with it, which waits for nobody. Refuse gets to know it, for its books.
func (v *Server) sendAway(b *block, status int) {
	s := b.server
	v.past.add(b.id, true)
	v.head(b.id, true, func(p []byte) []byte { return v.encoder.status(v.encoder.begin(p), status) })
	s.request.Major, s.request.Peer = 2, v.peer
	s.status, s.why = status, errors.New(b.excess())
	s.received, s.answered = true, true
	v.handlers++
	v.starting = append(v.starting, s)
}

func (v *Server) setting(s setting) error {
	if s.id == settingPush && s.value > 1 {
		return fault(ProtocolError, "ENABLE_PUSH of %d", s.value)
	}
	return nil
}

// leaving implements side: a client that goes away still wants its answers.
func (v *Server) leaving(uint32, Code) {}
