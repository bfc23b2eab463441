package http1

import (
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

func TestSmoke(t *testing.T) {
	in := []byte("GET /a?b HTTP/1.1\r\nHost: x:1\r\nUser-Agent: y\tz  \r\nConnection: close\r\n\r\n")
	var r message.Request
	end := End(in, 0)
	if end != len(in) {
		t.Fatal(end)
	}
	if err := ParseRequest(in[:end], Limits{}, &r); err != nil {
		t.Fatal(err)
	}
	out := AppendRequest(nil, &r)
	if string(out) != "GET /a?b HTTP/1.1\r\nHost: x:1\r\nUser-Agent: y\tz\r\nConnection: close\r\n\r\n" {
		t.Errorf("%q", out)
	}
}
