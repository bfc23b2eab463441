package proxy

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// C12: a client that does not take its answer is given up, and with it what the
// kernel holds for it: its connection is reset. If it were only closed, the
// kernel would keep megabytes for it for as long as it likes.
func TestC12AClientThatStallsIsReset(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(version, func(t *testing.T) {
			o := defaults()
			o.Timeouts.Client = 200 * time.Millisecond
			f := startHTTP(t, o, backend(t, func(w http.ResponseWriter, _ *http.Request) {
				for piece := make([]byte, 64<<10); ; {
					if _, err := w.Write(piece); err != nil {
						return
					}
				}
			}))
			conn := dialed(t, f)
			if version == "HTTP/1.1" {
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: web\r\n\r\n")
			} else {
				c := call2On(t, conn)
				_ = c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
				_ = c.WriteWindowUpdate(0, 1<<30)
				c.send("GET")
			}
			eventually(t, "it is under way", func() bool { return f.Meter.Active.Load() == 1 })
			eventually(t, "it is given up", func() bool { return f.Meter.Connections.Load() == 0 })
			n, err := io.Copy(io.Discard, conn)
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("after %d bytes: %v", n, err)
			}
			settled(t, f)
			if st := statsOf(t, f, 0); st.Failures != 0 {
				t.Errorf("the backend was blamed: %+v", st)
			}
		})
	}
}
