package backend

import (
	"bufio"
	"io"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/outrigger-sidecar/outrigger/bench/wire"
)

// serveH2C answers every request of one connection by a small message and
// trailers, as gRPC does. It does not read what was asked, and so has no need
// to decode headers. What it may receive and send is far more than one
// connection of the bench carries, but for the first bytes: see window.
func serveH2C(conn net.Conn) {
	r, w := bufio.NewReaderSize(conn, 16<<10), bufio.NewWriterSize(conn, 16<<10)
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(r, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	c := h2c{framer: http2.NewFramer(w, r), window: 65535}
	c.framer.SetReuseFrames()
	_ = c.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1000})
	_ = c.framer.WriteWindowUpdate(0, 1<<30)
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		frame, err := c.framer.ReadFrame()
		if err != nil || c.take(frame) != nil {
			return
		}
	}
}

// h2c is one connection.
type h2c struct {
	framer *http2.Framer
	blocks *wire.Blocks // nil until the client's settings are there
	window int          // bytes that may be sent now, of all streams together
	owed   []uint32     // streams whose answer waits for that
}

func (c *h2c) take(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return nil
		}
		if c.blocks == nil {
			table := uint32(4096)
			if v, ok := f.Value(http2.SettingHeaderTableSize); ok {
				table = v
			}
			c.blocks = newBlocks(table)
		}
		return c.framer.WriteSettingsAck()
	case *http2.PingFrame:
		if f.IsAck() {
			return nil
		}
		return c.framer.WritePing(true, f.Data)
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			c.window += int(f.Increment)
		}
		return c.pay()
	case *http2.HeadersFrame:
		if !f.StreamEnded() {
			return nil
		}
	case *http2.DataFrame:
		if !f.StreamEnded() {
			return nil
		}
	default:
		return nil
	}
	c.owed = append(c.owed, frame.Header().StreamID)
	return c.pay()
}

func newBlocks(table uint32) *wire.Blocks {
	return wire.NewBlocks(min(table, 4096), []hpack.HeaderField{
		{Name: ":status", Value: "200"},
		{Name: "content-type", Value: "application/grpc"},
	}, []hpack.HeaderField{
		{Name: "grpc-status", Value: "0"},
		{Name: "grpc-message", Value: ""},
	})
}

// pay answers what it may.
func (c *h2c) pay() error {
	for len(c.owed) > 0 && c.window >= len(wire.Message) && c.blocks != nil {
		id := c.owed[0]
		c.owed = c.owed[:copy(c.owed, c.owed[1:])]
		c.window -= len(wire.Message)
		if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.blocks.Next(0), EndHeaders: true}); err != nil {
			return err
		}
		if err := c.framer.WriteData(id, false, []byte(wire.Message)); err != nil {
			return err
		}
		if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.blocks.Next(1), EndHeaders: true, EndStream: true}); err != nil {
			return err
		}
	}
	return nil
}
