package socket

import "net"

// plain moves bytes by what any net.Conn can do.
type plain struct {
	netted
	beneath line  // what conn runs over, to be looked at only; nil: not known
	ending  error // came along with the last bytes; of the reader
}

func (p *plain) read(b []byte) (int, error) {
	n, err := p.conn.Read(b)
	if n > 0 {
		p.ending, err = err, nil // it comes again
	}
	return n, err
}

func (p *plain) fill() (*Buffer, int, error) {
	b := GetBuffer()
	n, err := p.read(b.B[:])
	if n == 0 {
		b.Free()
		b = nil
	}
	return b, n, err
}

func (p *plain) ask(reused, _ bool) (*Buffer, int, error) {
	if reused && !p.quiet() {
		return nil, 0, ErrStale
	}
	if err := p.send(); err != nil {
		if b, n, readErr := p.fill(); readErr == nil {
			return b, n, nil
		}
		return nil, 0, err
	}
	return p.fill()
}

func (p *plain) watch(f func() bool, _ bool) error {
	for f() {
		if p.cut.Load() {
			return ErrInterrupted
		}
	}
	return nil
}

func (p *plain) tryRead(b []byte) (int, error) { return p.read(b) }

func (p *plain) send() error {
	if len(p.out.slice) == 1 {
		n, err := p.conn.Write(p.out.slice[0])
		p.written.Add(int64(n))
		return err
	}
	rest := net.Buffers(p.out.slice)
	n, err := rest.WriteTo(p.conn)
	p.written.Add(n)
	return err
}

func (*plain) gone() bool { return false }

// quiet goes by what lies beneath. Of TLS that is the peer's word that it ends,
// or a record that is not for any answer: neither makes it worth to be used.
func (p *plain) quiet() bool { return p.ending == nil && (p.beneath == nil || p.beneath.quiet()) }

func (p *plain) broken() bool { return p.beneath != nil && p.beneath.broken() }

func (*plain) acked() (int64, bool) { return 0, false }
