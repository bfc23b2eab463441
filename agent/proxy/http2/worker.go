package http2

import "slices"

// dealt starts the handlers of what came.
func (v *Server) dealt() {
	for i, s := range v.starting {
		v.starting[i] = nil
		select {
		case v.work <- s:
		default:
			v.workers.Add(1)
			go v.worker(s)
		}
	}
	v.starting = v.starting[:0]
}

// worker handles one request after another.
func (v *Server) worker(s *ServerStream) {
	defer v.workers.Done()
	for s != nil {
		if s.status == 0 {
			v.handle(s)
		} else {
			v.o.Refuse(s, s.status, s.why)
		}
		if s = v.succeed(s); s == nil {
			s = <-v.work
		}
	}
}

// succeed ends s and returns a stream that waits for a handler; nil for none.
func (v *Server) succeed(s *ServerStream) *ServerStream {
	v.mu.Lock()
	defer v.mu.Unlock()
	s.close()
	v.recycle(s)
	for len(v.pending) > 0 {
		s, v.pending = v.pending[0], v.pending[1:]
		if s.err == nil {
			return s
		}
		s.close() // its client did not wait
		v.recycle(s)
	}
	v.handlers--
	v.leave()
	return nil
}

func (v *Server) fresh() *ServerStream {
	if n := len(v.free); n > 0 {
		s := v.free[n-1]
		v.free = v.free[:n-1]
		s.closed = false
		return s
	}
	s := &ServerStream{server: v}
	s.init(&v.conn)
	return s
}

func (v *Server) recycle(s *ServerStream) {
	if s.large {
		return
	}
	s.renew()
	s.request.Reset()
	s.status, s.why, s.answered = 0, nil, false
	v.free = append(v.free, s)
}

// await has s wait for a handler. One that its client did not wait for makes
// room, so that there are never more than the client may have open.
func (v *Server) await(s *ServerStream) {
	if len(v.pending) >= v.o.MaxStreams {
		v.pending = slices.DeleteFunc(v.pending, func(s *ServerStream) bool {
			if s.err == nil {
				return false
			}
			s.close()
			v.recycle(s)
			return true
		})
	}
	v.pending = append(v.pending, s)
}
