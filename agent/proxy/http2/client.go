package http2

import (
	"errors"
	"net"
	"time"
)

// ClientOptions say how a backend is dealt with.
type ClientOptions struct {
	MaxHeaderBytes int           // of a head, as HPACK counts them; 0 means 64 KiB
	MaxHeaders     int           // fields of a head; 0 means 256
	TLS            bool          // requests are of the scheme https
	Ping           time.Duration // a backend that sends nothing for so long while streams wait is asked whether it is there; 0: never
	PingTimeout    time.Duration // and has so long to answer; 0 means 15 s
	Stall          time.Duration // a write that gets nowhere ends the connection after it; 0: never
	Log            func(error)   // is told of faults of the backend, with the connection locked; nil: nobody is
	Closed         func(error)   // is told once that the connection has ended; nil: nobody is
}

const defaultPingTimeout = 15 * time.Second

// Client is the side of a connection to a backend. Create it with NewClient.
// Its methods may be called from any goroutine.
type Client struct {
	conn
	o          ClientOptions
	scheme     int    // its index in HPACK's table
	next       uint32 // the stream that is opened next
	maxStreams int    // at once, by the backend's word
	reserved   int    // streams that were not begun yet
	final      uint32 // the last stream that the backend looks at
	used       bool   // an answer came
	idleSince  time.Time
	free       []*ClientStream
	waits      clientWatch
	done       chan struct{}
}

// streamsUntilTold is how many streams are opened before the backend has said
// how many it takes. Those that are too many it refuses, and they go elsewhere.
const streamsUntilTold = 100

// NewClient speaks HTTP/2 on c, which was just opened. A goroutine of its own
// reads it until it ends.
func NewClient(c net.Conn, o ClientOptions) *Client {
	if o.MaxHeaderBytes == 0 {
		o.MaxHeaderBytes = defaultMaxHeaderBytes
	}
	if o.MaxHeaders == 0 {
		o.MaxHeaders = defaultMaxHeaders
	}
	if o.PingTimeout == 0 {
		o.PingTimeout = defaultPingTimeout
	}
	l := &Client{
		o: o, scheme: staticSchemeHTTP, next: 1, final: maxStreamID,
		maxStreams: streamsUntilTold, idleSince: time.Now(), done: make(chan struct{}),
	}
	if o.TLS {
		l.scheme = staticSchemeHTTPS
	}
	// One answer of a backend must not end the others before it has to.
	l.init(c, l, block{limit: o.MaxHeaderBytes, most: 4 * o.MaxHeaderBytes, fields: o.MaxHeaders})
	l.log = o.Log
	l.in.begin(nil)
	l.out.frames = append(l.out.frames, Preface...)
	l.out.frames = appendSettings(l.out.frames,
		setting{settingPush, 0},
		setting{settingHeaderList, uint32(o.MaxHeaderBytes)})
	l.out.frames = appendWindowUpdate(l.out.frames, 0, connWindow-initialWindow)
	l.mu.Lock()
	l.flush()
	l.startWatch(l.tick, o.Ping, o.PingTimeout, o.Stall)
	l.mu.Unlock()
	go l.run()
	return l
}

func (l *Client) run() {
	err := l.end(l.read())
	if l.o.Closed != nil {
		l.o.Closed(err)
	}
	close(l.done)
}

// Close ends the connection at once; the streams that are open fail. It does
// not wait for that.
func (l *Client) Close() {
	l.mu.Lock()
	l.away = true
	l.mu.Unlock()
	_ = l.net.Close()
}

// Done is closed when the connection has ended.
func (l *Client) Done() <-chan struct{} { return l.done }

// Open reserves a stream. It does not wait: with ErrFull there is none for now,
// and with ErrClosed none any more.
func (l *Client) Open() (*ClientStream, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.takes(); err != nil {
		return nil, err
	}
	l.reserved++
	var s *ClientStream
	if n := len(l.free); n > 0 {
		s = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		s = &ClientStream{client: l}
		s.init(&l.conn)
		s.asked = s
	}
	s.reused, s.closed = l.used, false
	return s, nil
}

func (l *Client) takes() error {
	switch {
	case l.away || l.err != nil || l.next > maxStreamID-2*uint32(l.reserved):
		return ErrClosed
	case len(l.streams)+l.reserved >= l.maxStreams:
		return ErrFull
	}
	return nil
}

// CanTake tells whether Open would give a stream.
func (l *Client) CanTake() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.takes() == nil
}

// Alive tells whether the connection may take streams, now or later.
func (l *Client) Alive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !errors.Is(l.takes(), ErrClosed)
}

// Idle tells whether it carries no streams.
func (l *Client) Idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy() == 0
}

// Streams is how many it carries.
func (l *Client) Streams() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy()
}

func (l *Client) busy() int { return len(l.streams) + l.reserved }

// LastUsed is when the last stream ended; the zero time while there is one.
func (l *Client) LastUsed() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy() > 0 {
		return time.Time{}
	}
	return l.idleSince
}

func (l *Client) unborn(id uint32) bool { return id%2 == 0 || id >= l.next }

// opening implements side.
func (l *Client) opening(b *block, f *frame) error {
	s := l.streams[f.stream]
	if s == nil {
		if l.unborn(f.stream) {
			return fault(ProtocolError, "HEADERS of a stream that was never opened")
		}
		if _, cut := l.past.has(f.stream); !cut {
			l.reset(f.stream, StreamClosed)
		}
		return l.unproductive()
	}
	if s.received {
		l.breakOff(s, fault(StreamClosed, "HEADERS after the end"))
		return nil
	}
	b.stream = s
	if s.asked.answered {
		b.header = &s.trailer
		if !b.end {
			b.fault("trailers that are not the last")
		}
		return nil
	}
	r := s.asked.nextHead()
	b.response, b.header = r, &r.Header
	return nil
}

// opened implements side.
func (l *Client) opened(b *block) error {
	s := b.stream
	if s == nil {
		return nil
	}
	if b.large {
		b.fault("a head that is too large")
	}
	if b.response != nil && b.wrong == "" {
		b.finishResponse(s.asked.toHead)
	}
	switch {
	case b.response == nil:
		if s.left > 0 {
			b.fault("DATA does not come to the declared length")
		}
	case b.wrong != "":
	case b.response.Status < 200:
		if s.asked.pending == maxHeads {
			b.fault("too many interim answers")
		}
		s.asked.interim = true
	default:
		l.used, s.asked.answered = true, true
		s.left = b.length
	}
	if b.wrong != "" {
		l.breakOff(s, fault(ProtocolError, "%s", b.wrong))
		return nil
	}
	if b.response != nil {
		s.asked.pending++
	}
	l.productive()
	if b.end {
		s.end()
	}
	l.rouse(s)
	return nil
}

func (l *Client) setting(s setting) error {
	switch {
	case s.id == settingPush && s.value != 0:
		return fault(ProtocolError, "ENABLE_PUSH of %d by a server", s.value)
	case s.id == settingStreams:
		l.maxStreams = int(min(s.value, maxWindow))
	}
	return nil
}

// leaving implements side. What the backend will not look at can go elsewhere.
func (l *Client) leaving(last uint32, _ Code) {
	l.away = true
	l.final = min(l.final, last)
	for id, s := range l.streams {
		if id > l.final {
			l.forget(s, true)
			s.fail(ErrUnprocessed)
		}
	}
	if l.busy() == 0 {
		l.out.last = true
		l.flush()
	}
}

func (l *Client) dealt() {}

func (l *Client) ponged([]byte) {}
