package wire

import (
	"slices"
	"testing"

	"golang.org/x/net/http2/hpack"
)

func TestBlocks(t *testing.T) {
	head := []hpack.HeaderField{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}}
	trailers := []hpack.HeaderField{{Name: "grpc-status", Value: "0"}}
	for _, table := range []uint32{0, 64, 4096} {
		b := NewBlocks(table, head, trailers)
		d := hpack.NewDecoder(4096, nil)
		var sizes []int
		for range 3 {
			for i, want := range [][]hpack.HeaderField{head, trailers} {
				block := b.Next(i)
				sizes = append(sizes, len(block))
				got, err := d.DecodeFull(block)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("table %d: %v, %v", table, got, err)
				}
			}
		}
		if table == 4096 && (sizes[2] != 2 || sizes[3] != 1) {
			t.Errorf("with a table, later blocks have %v bytes", sizes[2:])
		}
	}
	if len(Message) != 5+25 || int(Message[4]) != 25 {
		t.Errorf("the message has %d bytes", len(Message))
	}
}
