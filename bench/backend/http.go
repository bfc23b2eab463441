package backend

import (
	"bytes"
	"fmt"
	"net"
	"strconv"

	"github.com/outrigger-sidecar/outrigger/bench/wire"
)

// MaxBody is the longest answer, in bytes.
const MaxBody = 1 << 20

// serveHTTP answers the requests of one connection: the path is the size of
// the body.
func serveHTTP(conn net.Conn) {
	const ordinary = 16 << 10
	buf := make([]byte, ordinary)
	have := 0
	var path, answer []byte // what was answered last
	var closing bool        // and whether that was the end
	for {
		h, size, err := wire.Parse(buf[:have])
		if err != nil || size == 0 && have == len(buf) {
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
			return
		}
		if size == 0 {
			n, err := conn.Read(buf[have:])
			if err != nil {
				return
			}
			have += n
			continue
		}
		if asked := target(h.First); answer == nil || closing != h.Close || !bytes.Equal(asked, path) {
			path, closing = bytes.Clone(asked), h.Close
			answer = makeAnswer(path, closing)
		}
		rest := max(h.Length, 0)
		body := min(rest, have-size)
		rest -= body
		have = copy(buf, buf[size+body:have])
		for rest > 0 { // nothing else is in the buffer
			n, err := conn.Read(buf[:min(rest, len(buf))])
			if err != nil {
				return
			}
			rest -= n
		}
		if _, err := conn.Write(answer); err != nil || h.Close {
			return
		}
	}
}

// target is the path of a request.
func target(first []byte) []byte {
	_, after, _ := bytes.Cut(first, []byte(" "))
	path, _, _ := bytes.Cut(after, []byte(" "))
	return path
}

// makeAnswer is head and body in one piece.
func makeAnswer(path []byte, closing bool) []byte {
	size, err := strconv.ParseUint(string(bytes.TrimPrefix(path, []byte("/"))), 10, 31)
	if err != nil || size > MaxBody {
		return []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	}
	connection := ""
	if closing {
		connection = "Connection: close\r\n"
	}
	// A date as old as the process: the bench does not read it, and what a
	// proxy does with it costs the same.
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n%s\r\n", size, connection)
	return append([]byte(head), bytes.Repeat([]byte("x"), int(size))...)
}
