package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// player reads one side of a connection as an engine would, and writes down
// what it finds, so that two ways of feeding it can be compared.
type player struct {
	limits   Limits
	method   string // of the requests that are answered; "": requests are read
	buf      []byte // what has come and is not used up
	seen     int
	inBody   bool
	body     Body
	request  message.Request
	response message.Response
	data     []byte
	taken    int // bytes used up in all
	events   []string
	failed   bool
}

func (p *player) note(format string, args ...any) {
	p.events = append(p.events, fmt.Sprintf(format, args...))
}

func (p *player) fail(err error) {
	var e *Error
	if !errors.As(err, &e) {
		panic("an error of another kind")
	}
	status := e.Status
	if p.method != "" && !p.inBody {
		status = 502 // TooLarge knows of requests only
	}
	p.note("error %d %s", status, e.Text)
	p.failed = true
}

// feed takes more bytes.
func (p *player) feed(in string) {
	p.buf = append(p.buf, in...)
	for !p.failed && (p.inBody || len(p.buf) > 0) {
		before := len(p.buf)
		wasBody := p.inBody
		if p.inBody {
			p.bodyBytes()
		} else if !p.headBytes() {
			return
		}
		if len(p.buf) == before && wasBody == p.inBody {
			return
		}
	}
}

func (p *player) bodyBytes() {
	data, n, err := p.body.Next(p.buf)
	p.data = append(p.data, data...)
	p.use(n)
	switch {
	case err != nil:
		p.note("data %q", p.data)
		p.fail(err)
	case p.body.Done():
		p.endBody()
	}
}

func (p *player) endBody() {
	var trailer message.Header
	p.body.Trailer(&trailer)
	p.note("body %q trailers %s", p.data, show(&trailer))
	p.data, p.inBody = nil, false
}

func (p *player) use(n int) {
	p.buf = append([]byte(nil), p.buf[n:]...) // what was used must not be needed
	p.taken += n
}

func (p *player) headBytes() bool {
	end := End(p.buf, p.seen)
	if end == 0 {
		p.seen = len(p.buf)
		if err := TooLarge(p.buf, p.limits); err != nil {
			p.fail(err)
		}
		return false
	}
	p.seen = 0
	var err error
	p.body.Limits = p.limits
	if p.method == "" {
		err = ParseRequest(p.buf[:end], p.limits, &p.request)
		if err == nil {
			p.note("%s", showRequest(&p.request))
			p.body.Reset(p.request.Length)
		}
	} else {
		err = ParseResponse(p.buf[:end], p.limits, []byte(p.method), &p.response)
		if err == nil {
			p.note("%s", showResponse(&p.response))
			p.body.Reset(p.response.Length)
			if p.response.UntilEOF {
				p.body.ResetUntilEOF()
			}
		}
	}
	if err != nil {
		p.fail(err)
		return true
	}
	p.use(end)
	p.inBody = true
	if p.body.Done() {
		p.endBody()
	}
	return true
}

// eof ends the input.
func (p *player) eof() []string {
	switch {
	case p.failed:
	case p.inBody:
		if err := p.body.EOF(); err != nil {
			p.note("data %q", p.data)
			p.fail(err)
		} else {
			p.endBody()
		}
	case len(p.buf) > 0:
		p.note("cut short")
	}
	return p.events
}

func show(h *message.Header) string {
	var lines []string
	for f := range h.All() {
		lines = append(lines, fmt.Sprintf("%s: %s", f.Name, f.Value))
	}
	return "{" + strings.Join(lines, "|") + "}"
}

func showRequest(r *message.Request) string {
	s := fmt.Sprintf("%s %s %d.%d host %q length %d %s", r.Method, r.Target, r.Major, r.Minor, r.Authority, r.Length, show(&r.Header))
	if r.Expect {
		s += " expect"
	}
	if r.Upgrade != nil {
		s += " upgrade " + string(r.Upgrade)
	}
	if r.Last {
		s += " last"
	}
	return s
}

func showResponse(r *message.Response) string {
	s := fmt.Sprintf("%d length %d declared %d %s", r.Status, r.Length, r.Declared, show(&r.Header))
	if r.Head {
		s += " head"
	}
	if r.UntilEOF {
		s += " until eof"
	}
	if r.Upgrade != nil {
		s += " upgrade " + string(r.Upgrade)
	}
	if r.Last {
		s += " last"
	}
	return s
}

// play feeds input in the pieces given, in ways that all have to come to the
// same: at once, in two pieces wherever cut, and byte by byte.
func play(t *testing.T, limits Limits, method, input string) []string {
	t.Helper()
	whole := player{limits: limits, method: method}
	whole.feed(input)
	want := whole.eof()
	compare := func(how string, p *player) {
		t.Helper()
		if got := p.eof(); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q %s:\n%s\nat once:\n%s", input, how, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if !p.failed && p.taken != whole.taken {
			t.Errorf("%q %s: %d bytes, at once %d", input, how, p.taken, whole.taken)
		}
	}
	step := max(1, len(input)/1000) // long ones have long runs of the same
	for at := 1; at < len(input); at += step {
		p := player{limits: limits, method: method}
		p.feed(input[:at])
		p.feed(input[at:])
		compare(fmt.Sprintf("cut at %d", at), &p)
	}
	if step == 1 {
		p := player{limits: limits, method: method}
		for i := range len(input) {
			p.feed(input[i : i+1])
		}
		compare("byte by byte", &p)
	}
	return want
}
