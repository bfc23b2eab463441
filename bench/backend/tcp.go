package backend

import (
	"net"

	"github.com/outrigger-sidecar/outrigger/bench/wire"
)

// serveTCP answers the asks of one connection.
func serveTCP(conn net.Conn) {
	buf := make([]byte, 16<<10)
	var answer []byte
	for have := 0; ; {
		a, ok := wire.ParseAsk(buf[:have])
		switch {
		case !ok && have >= wire.AskSize, ok && (a.Size > len(buf) || a.Answer > MaxBody):
			return
		case !ok || have < a.Size:
			n, err := conn.Read(buf[have:])
			if err != nil {
				return
			}
			have += n
			continue
		}
		if len(answer) < a.Answer {
			answer = make([]byte, a.Answer)
		}
		if _, err := conn.Write(answer[:a.Answer]); err != nil || a.Last {
			return
		}
		have = copy(buf, buf[a.Size:have])
	}
}
