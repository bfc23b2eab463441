package load

import (
	"bufio"
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/outrigger-sidecar/outrigger/bench/wire"
)

// calls makes gRPC calls on one HTTP/2 connection, some at once.
type calls struct {
	run    *run
	target string
	tally  *tally

	framer *http2.Framer
	blocks *wire.Blocks // nil until the proxy's settings are there
	hpack  *hpack.Decoder
	next   uint32                   // stream
	open   map[uint32]time.Duration // streams under way, and since when
	window int                      // bytes that may be sent now, of all streams together
	last   bool                     // the proxy wants no more streams on this connection

	status, grpcStatus string // of the headers being read
}

// playH2C plays one connection until the run ends, or the proxy ends it
// in good order.
func playH2C(r *run, target string, t *tally) error {
	conn, err := dial(target, r.deadline)
	if err != nil {
		return err
	}
	defer conn.Close()
	br, bw := bufio.NewReaderSize(conn, 16<<10), bufio.NewWriterSize(conn, 16<<10)
	c := &calls{run: r, target: target, tally: t, next: 1, open: make(map[uint32]time.Duration), window: 65535}
	c.framer = http2.NewFramer(bw, br)
	c.framer.SetReuseFrames()
	c.hpack = hpack.NewDecoder(4096, c.field)
	_, _ = bw.WriteString(http2.ClientPreface)
	_ = c.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	_ = c.framer.WriteWindowUpdate(0, 1<<30) // more than one run takes
	for {
		if err := c.begin(); err != nil {
			return err
		}
		if len(c.open) == 0 && (c.last || r.phase.Load() == ended) {
			return nil
		}
		if br.Buffered() == 0 {
			if err := bw.Flush(); err != nil {
				return err
			}
		}
		frame, err := c.framer.ReadFrame()
		if err != nil {
			return fmt.Errorf("with %d calls under way: %w", len(c.open), err)
		}
		if err := c.take(frame); err != nil {
			return err
		}
	}
}

// begin begins as many calls as there may be.
func (c *calls) begin() error {
	if c.blocks == nil || c.last || c.run.phase.Load() == ended {
		return nil
	}
	for len(c.open) < c.run.plan.Streams && c.window >= len(wire.Message) {
		id := c.next
		c.next += 2
		c.open[id] = c.run.now()
		c.window -= len(wire.Message)
		if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.blocks.Next(0), EndHeaders: true}); err != nil {
			return err
		}
		if err := c.framer.WriteData(id, true, []byte(wire.Message)); err != nil {
			return err
		}
	}
	return nil
}

func (c *calls) take(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return nil
		}
		if c.blocks == nil {
			table := uint32(4096)
			if v, ok := f.Value(http2.SettingHeaderTableSize); ok {
				table = min(table, v)
			}
			c.blocks = wire.NewBlocks(table, callFields(c.target))
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
	case *http2.HeadersFrame:
		return c.headers(f)
	case *http2.DataFrame:
		if f.StreamEnded() {
			return errors.New("a call ended without trailers")
		}
	case *http2.RSTStreamFrame:
		c.tally.fail(fmt.Errorf("a call was reset: %v", f.ErrCode))
		delete(c.open, f.StreamID)
	case *http2.GoAwayFrame:
		if f.ErrCode != http2.ErrCodeNo {
			return fmt.Errorf("the connection was ended: %v", f.ErrCode)
		}
		c.last = true
	}
	return nil
}

func callFields(target string) []hpack.HeaderField {
	return []hpack.HeaderField{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
		{Name: ":path", Value: "/bench.Echo/Call"}, {Name: ":authority", Value: target},
		{Name: "content-type", Value: "application/grpc"}, {Name: "user-agent", Value: "bench"}, {Name: "te", Value: "trailers"},
		{Name: "traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"},
	}
}

func (c *calls) field(f hpack.HeaderField) {
	switch f.Name {
	case ":status":
		c.status = f.Value
	case "grpc-status":
		c.grpcStatus = f.Value
	}
}

func (c *calls) headers(f *http2.HeadersFrame) error {
	c.status, c.grpcStatus = "", ""
	if !f.HeadersEnded() {
		return errors.New("headers in more than one frame")
	}
	if _, err := c.hpack.Write(f.HeaderBlockFragment()); err != nil {
		return err
	}
	if err := c.hpack.Close(); err != nil {
		return err
	}
	began, ok := c.open[f.StreamID]
	switch {
	case !ok:
		return fmt.Errorf("headers on stream %d, which is not open", f.StreamID)
	case !f.StreamEnded() && c.status != "200", f.StreamEnded() && c.grpcStatus != "0":
		c.tally.fail(fmt.Errorf("a call was answered status %q, grpc-status %q", c.status, c.grpcStatus))
		if !f.StreamEnded() {
			return errors.New("that is not gRPC")
		}
	case f.StreamEnded():
		c.tally.done(c.run.now() - began)
	}
	if f.StreamEnded() {
		delete(c.open, f.StreamID)
	}
	return nil
}
