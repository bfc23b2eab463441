package http1

import (
	"fmt"
	"strings"
	"testing"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

const chunked = post + "Transfer-Encoding: chunked\r\n\r\n"

var refusedChunks = []struct {
	rule, input string
	status      int
}{
	{"no size", "\r\nabc\r\n0\r\n\r\n", 400},
	{"no size and no more", "\r\n\r\n", 400},
	{"no size before an extension", ";a\r\n\r\n", 400},
	{"a size that is no number", "x\r\n", 400},
	{"a size with a plus", "+3\r\nabc\r\n0\r\n\r\n", 400},
	{"a size with a minus", "-3\r\nabc\r\n0\r\n\r\n", 400},
	{"a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n", 400},
	{"a size with an underscore", "1_0\r\n", 400},
	{"a size after a space", " 3\r\nabc\r\n0\r\n\r\n", 400},
	{"a size before a space", "3 \r\nabc\r\n0\r\n\r\n", 400},
	{"a size before a space and an extension", "3 ;a\r\nabc\r\n0\r\n\r\n", 400},
	{"a size before a tab", "3\t\r\nabc\r\n0\r\n\r\n", 400},
	{"a size of 17 digits", "00000000000000003\r\nabc\r\n0\r\n\r\n", 400},
	{"a size that overflows", "8000000000000000\r\n", 400},
	{"a size that overflows all", "ffffffffffffffff\r\n", 400},
	{"a size that wraps around to 3", "10000000000000003\r\nabc\r\n0\r\n\r\n", 400},
	{"a bare LF after the size", "3\nabc\r\n0\r\n\r\n", 400},
	{"a bare CR after the size", "3\rabc\r\n0\r\n\r\n", 400},
	{"another byte for the LF after the size", "3\rXabc\r\n0\r\n\r\n", 400},
	{"two CRs after the size", "3\r\r\nabc\r\n0\r\n\r\n", 400},
	{"a bare LF after an extension", "3;a\nabc\r\n0\r\n\r\n", 400},
	{"a bare LF in quotes", "3;a=\"\n\"\r\nabc\r\n0\r\n\r\n", 400},
	{"a bare CR in quotes", "3;a=\"\r\"\r\nabc\r\n0\r\n\r\n", 400},
	{"a NUL in an extension", "3;a\x00\r\nabc\r\n0\r\n\r\n", 400},
	{"an extension that is too long", "3;" + strings.Repeat("a", 300) + "\r\nabc\r\n0\r\n\r\n", 400},
	{"extensions without data", strings.Repeat("1;"+strings.Repeat("a", 200)+"\r\na\r\n", 100) + "0\r\n\r\n", 400},
	{"data that is too long", "3\r\nabcd\r\n0\r\n\r\n", 400},
	{"data that is too short", "3\r\nab\r\n0\r\n\r\n", 400},
	{"data before a bare LF", "3\r\nabc\n0\r\n\r\n", 400},
	{"data before a bare CR", "3\r\nabc\r0\r\n\r\n", 400},
	{"data before another byte for the CR", "3\r\nabcX\n0\r\n\r\n", 400},
	{"data before another byte for the LF", "3\r\nabc\rX0\r\n\r\n", 400},
	{"data before two CRs", "3\r\nabc\r\r\n0\r\n\r\n", 400},
	{"data before the next size", "3\r\nabc0\r\n\r\n", 400},
	{"a bare LF at the end", "0\r\n\n", 400},
	{"a bare LF after the last size", "0\n\r\n", 400},
	{"a bare LF after a trailer", "0\r\nA: b\n\r\n", 400},
	{"a bare LF after the trailers", "0\r\nA: b\r\n\n", 400},
	{"a trailer that is folded", "0\r\nA: b\r\n c\r\n\r\n", 400},
	{"a trailer that begins with a space", "0\r\n A: b\r\n\r\n", 400},
	{"a trailer with a space before the colon", "0\r\nA : b\r\n\r\n", 400},
	{"a trailer without a colon", "0\r\nA\r\n\r\n", 400},
	{"a trailer with a NUL", "0\r\nA: \x00\r\n\r\n", 400},
	{"a request for trailers", "0\r\nGET / HTTP/1.1\r\n\r\n", 400},
	{"too many trailers", "0\r\n" + strings.Repeat("A: b\r\n", 17) + "\r\n", 431},
	{"trailers that are too large", "0\r\nA: " + strings.Repeat("b", 1000) + "\r\n\r\n", 431},
	{"a trailer that does not end", "0\r\nA: " + strings.Repeat("b", 1000), 431},
	{"nothing", "", 400},
	{"no end", "3\r\nabc\r\n", 400},
	{"no end of the trailers", "0\r\nA: b\r\n", 400},
}

func TestChunksThatAreRefused(t *testing.T) {
	for _, test := range refusedChunks {
		t.Run(test.rule, func(t *testing.T) {
			events := play(t, small, "", chunked+test.input)
			last := events[len(events)-1]
			if !strings.HasPrefix(last, fmt.Sprintf("error %d ", test.status)) || len(events) != 3 {
				t.Errorf("%q: want %d, got %q", test.input, test.status, events)
			}
		})
	}
}

var chunks = []struct{ rule, input, body, trailers string }{
	{"none", "0\r\n\r\n", "", ""},
	{"one", "3\r\nabc\r\n0\r\n\r\n", "abc", ""},
	{"digits of both cases", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a", ""},
	{"data that looks like framing", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n", ""},
	{"zeros first", "003\r\nabc\r\n000\r\n\r\n", "abc", ""},
	{"16 digits", "0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", "abc", ""},
	{"extensions", "3;a;b=c; d = \"e;\\\"\tf\";\u00e4\r\nabc\r\n0;g\r\n\r\n", "abc", ""},
	{"a byte a chunk", strings.Repeat("1\r\na\r\n", 1000) + "0\r\n\r\n", strings.Repeat("a", 1000), ""},
	{"extensions in proportion", strings.Repeat("1;a=bcdefgh\r\na\r\n", 100) + "0\r\n\r\n", strings.Repeat("a", 100), ""},
	{"trailers", "0\r\nA: b\r\nGrpc-Status:\t0 \r\nA: c\r\n\r\n", "", "A: b|Grpc-Status: 0|A: c"},
	{"trailers that mean nothing there", "0\r\nContent-Length: 3\r\ntransfer-encoding: chunked\r\nHost: b\r\nTrailer: a\r\n" +
		"Authorization: x\r\nContent-Type: y\r\nX-Forwarded-For: z\r\nX-Forwarded-Port: 1\r\nIf-Match: v\r\nA: b\r\n\r\n", "", "A: b"},
	{"just as many trailers", "0\r\n" + strings.Repeat("A: b\r\n", 16) + "\r\n", "", strings.Repeat("|A: b", 16)[1:]},
}

func TestChunksThatAreRead(t *testing.T) {
	for _, test := range chunks {
		t.Run(test.rule, func(t *testing.T) {
			events := play(t, small, "", chunked+test.input)
			want := fmt.Sprintf("body %q trailers {%s}", test.body, test.trailers)
			if len(events) != 2 || events[1] != want {
				t.Errorf("%q:\n got %q\nwant %s", test.input, events[1:], want)
			}
		})
	}
}

// Framing is excused by data, however much of both there is.
func TestExtensionsInProportion(t *testing.T) {
	chunk := []byte("20;" + strings.Repeat("a", 70) + "\r\n" + strings.Repeat("b", 32) + "\r\n")
	var b Body
	b.Reset(message.Unknown)
	for range 5000 {
		for rest := chunk; len(rest) > 0; {
			_, n, err := b.Next(rest)
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}

func TestBodyTellsWhatRemains(t *testing.T) {
	var b Body
	if !b.Done() || b.Remaining() != 0 || b.EOF() != nil {
		t.Error("the zero value has something to come")
	}
	b.Reset(5)
	if data, n, err := b.Next([]byte("abc")); string(data) != "abc" || n != 3 || err != nil || b.Remaining() != 2 || b.Done() {
		t.Errorf("%q %d %v, %d remaining", data, n, err, b.Remaining())
	}
	b.Skip(1)
	if data, n, _ := b.Next([]byte("efgh")); string(data) != "e" || n != 1 || !b.Done() || b.Remaining() != 0 {
		t.Errorf("%q %d, %d remaining", data, n, b.Remaining())
	}
	if data, n, err := b.Next([]byte("fgh")); data != nil || n != 0 || err != nil {
		t.Error("takes what is not its own")
	}

	b.Reset(message.Unknown)
	b.Next([]byte("5\r\n"))
	if b.Remaining() != 5 {
		t.Errorf("%d of the chunk", b.Remaining())
	}
	b.Skip(5)
	if b.Remaining() != 0 || b.Done() {
		t.Errorf("%d after the chunk", b.Remaining())
	}
	if _, n, err := b.Next([]byte("\r\n0\r\n\r\nGET")); n != 7 || err != nil || !b.Done() {
		t.Errorf("%d %v", n, err)
	}

	b.ResetUntilEOF()
	if data, n, _ := b.Next([]byte("abc")); string(data) != "abc" || n != 3 || b.Remaining() != -1 || b.Done() {
		t.Errorf("%q %d, %d remaining", data, n, b.Remaining())
	}
	if b.Skip(7); b.Done() || b.EOF() != nil || !b.Done() {
		t.Error("the end of the connection does not end it")
	}
}

// What went wrong once stays wrong, and a body that begins anew knows nothing
// of the one before.
func TestBodyAfterAnError(t *testing.T) {
	var b Body
	b.Reset(message.Unknown)
	_, _, first := b.Next([]byte("0\r\nA: b\r\nx\r\n"))
	_, n, again := b.Next([]byte("\r\n"))
	if first == nil || again != first || n != 0 || b.Done() || b.EOF() != first {
		t.Errorf("%v, then %v", first, again)
	}
	b.Reset(message.Unknown)
	var trailer message.Header
	if _, _, err := b.Next([]byte("0\r\nC: d\r\n\r\n")); err != nil || !b.Done() {
		t.Error(err)
	}
	if b.Trailer(&trailer); show(&trailer) != "{C: d}" {
		t.Error(show(&trailer))
	}
}

// The trailers are copies.
func TestTrailersAreCopied(t *testing.T) {
	var b Body
	b.Reset(message.Unknown)
	in := []byte("0\r\nA: b\r\nGrpc-Status: 0\r\n\r\n")
	b.Next(in)
	var trailer message.Header
	b.Trailer(&trailer)
	b.Reset(message.Unknown)
	b.Next([]byte("0\r\nXXXXXXXXXX: x\r\n"))
	clear(in)
	if show(&trailer) != "{A: b|Grpc-Status: 0}" {
		t.Error(show(&trailer))
	}
}
