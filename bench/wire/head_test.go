package wire

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		data   string
		length int
		close  bool
		size   int // 0: incomplete
		err    bool
	}{
		{data: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", length: -1, size: 27},
		{data: "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nand a body", length: 12, size: 39},
		{data: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:0\r\n\r\n", close: true, size: 56},
		{data: "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 7 \r\n\r\n", length: 7, size: 63},
		{data: "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n"},
		{data: ""},
		{data: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", err: true},
		{data: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", err: true},
		{data: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", err: true},
		{data: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", err: true},
		{data: "HTTP/1.1 200 OK\r\ncontent\r\n\r\n", err: true},
		{data: "\r\n\r\n", err: true},
	} {
		h, size, err := Parse([]byte(test.data))
		if (err != nil) != test.err || size != test.size {
			t.Errorf("%q: size %d, %v", test.data, size, err)
			continue
		}
		if size > 0 && (h.Length != test.length || h.Close != test.close) {
			t.Errorf("%q: %+v", test.data, h)
		}
	}
}

func TestStatus(t *testing.T) {
	for first, want := range map[string]int{
		"HTTP/1.1 200 OK":   200,
		"HTTP/1.0 503 Busy": 503,
		"HTTP/1.1 204":      204,
		"HTTP/1.1 20":       0,
		"HTTP/2.0 200 OK":   0,
		"HTTP/1.1 abc":      0,
		"":                  0,
	} {
		if got := (Head{First: []byte(first)}).Status(); got != want {
			t.Errorf("status of %q is %d, want %d", first, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close\r\n\r\nbody"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, size, err := Parse(data)
		if err != nil || size == 0 {
			return
		}
		if size > len(data) || !strings.HasSuffix(string(data[:size]), "\r\n\r\n") || h.Length < -1 || len(h.First) == 0 {
			t.Errorf("%q: %+v, size %d", data, h, size)
		}
		if code := h.Status(); code < 0 || code > 999 {
			t.Errorf("status %d", code)
		}
	})
}
