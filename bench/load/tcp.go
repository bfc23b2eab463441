package load

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/wire"
)

// stream makes exchanges on one TCP connection.
type stream struct {
	target string
	ask    []byte
	answer int
	buf    []byte
	turn   *turn
}

func newStream(target string, p Plan) *stream {
	return &stream{target: target, ask: wire.Ask{Size: p.Ask, Answer: p.Answer}.Bytes(), answer: p.Answer, buf: bufferFor(p.Answer)}
}

func (s *stream) open(deadline time.Time) error {
	conn, err := dial(s.target, deadline)
	if err != nil {
		return err
	}
	if s.turn, err = newTurn(conn); err != nil {
		conn.Close()
	}
	return err
}

func (s *stream) close() { s.turn.conn.Close() }

func (s *stream) exchange() (more bool, err error) {
	n, err := s.turn.exchange(s.ask, s.buf)
	if err != nil {
		return false, fmt.Errorf("no answer: %w", err)
	}
	return true, readBytes(s.turn.conn, s.buf, n, s.answer)
}

func readBytes(conn net.Conn, buf []byte, n, want int) error {
	if n > want {
		return errors.New("more came than was asked for")
	}
	return discard(conn, buf, want-n)
}

// oneStream makes a TCP connection for each exchange.
type oneStream struct {
	stream
	deadline time.Time
}

func newOneStream(target string, p Plan) *oneStream {
	o := &oneStream{stream: *newStream(target, p)}
	o.ask = wire.Ask{Size: p.Ask, Answer: p.Answer, Last: true}.Bytes()
	return o
}

func (o *oneStream) open(deadline time.Time) error {
	o.deadline = deadline
	return nil
}

func (o *oneStream) close() {}

func (o *oneStream) exchange() (more bool, err error) {
	return true, once(o.target, o.deadline, o.ask, o.buf, func(conn net.Conn, n int) error {
		return readBytes(conn, o.buf, n, o.answer)
	})
}
