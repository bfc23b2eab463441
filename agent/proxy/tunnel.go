package proxy

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// tunnel carries bytes both ways between the app and a backend until both
// directions have ended or nothing moved for too long.
type tunnel struct {
	app, backend io.ReadWriteCloser
	silence      time.Duration // 0: any
	timer        *time.Timer
	broken       atomic.Pointer[error] // the first failure, nil for a clean end
}

// run returns when the tunnel has ended; sent and received count bytes from
// and to the app as they pass.
func (t *tunnel) run(sent, received *atomic.Int64) error {
	if t.silence > 0 {
		t.timer = time.AfterFunc(t.silence, func() { t.fail(errSilent) })
		defer t.timer.Stop()
	}
	var wg sync.WaitGroup
	wg.Go(func() { t.carry(t.backend, t.app, sent) })
	t.carry(t.app, t.backend, received)
	wg.Wait()
	t.cut()
	if err := t.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// carry moves one direction and passes its end on, without ending the other:
// a client may well say "that is all" and wait for the answer.
func (t *tunnel) carry(to, from io.ReadWriteCloser, count *atomic.Int64) {
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	for {
		n, err := from.Read(buf[:])
		if n > 0 {
			if t.timer != nil {
				t.timer.Reset(t.silence)
			}
			count.Add(int64(n))
			if _, werr := to.Write(buf[:n]); werr != nil {
				t.fail(werr)
				return
			}
		}
		if errors.Is(err, io.EOF) {
			if half, ok := to.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
				t.cut()
			}
			return
		}
		if err != nil {
			t.fail(err)
			return
		}
	}
}

func (t *tunnel) fail(err error) {
	t.broken.CompareAndSwap(nil, &err)
	t.cut()
}

func (t *tunnel) cut() {
	t.app.Close()
	t.backend.Close()
}

// buffer is what bodies and tunnels are carried in.
type buffer [32 << 10]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}
