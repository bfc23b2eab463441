package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// conversations go on, word for word, until they are told to end; each word
// that does not come back is lost.
type conversations struct {
	stop  chan struct{}
	wg    sync.WaitGroup
	words atomic.Int64

	mu   sync.Mutex
	lost []string
}

// hold begins one of a kind. say has a word go there and back.
func (c *conversations) hold(kind string, say func(word string) error, end func()) {
	c.wg.Go(func() {
		defer end()
		for n := 0; ; n++ {
			select {
			case <-c.stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if err := say(fmt.Sprint("word ", n)); err != nil {
				c.mu.Lock()
				c.lost = append(c.lost, fmt.Sprintf("%s, word %d: %v", kind, n, err))
				c.mu.Unlock()
				return
			}
			c.words.Add(1)
		}
	})
}

var errOtherWord = errors.New("another word came back")

func same(sent, got string) error {
	if sent != got {
		return fmt.Errorf("%w: %q", errOtherWord, got)
	}
	return nil
}

// echoes is a backend of WebSockets.
func echoes(t *testing.T) string {
	return handler(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil || conn.Write(r.Context(), kind, message) != nil {
				return
			}
		}
	})
}

// chats is a backend of gRPC, with a service made by hand.
func chats(t *testing.T) string {
	t.Helper()
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "Chat", ServerStreams: true, ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			for {
				in := new(wrapperspb.StringValue)
				if err := stream.RecvMsg(in); errors.Is(err, io.EOF) {
					return nil
				} else if err != nil {
					return err
				}
				if err := stream.SendMsg(in); err != nil {
					return err
				}
			}
		}}},
	}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

// A configuration that changes again and again, sometimes for one that cannot
// be, costs no request and no connection of any kind.
func TestF3Reloads(t *testing.T) {
	backends, blocks := mortals(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var ports []string
	for range 4 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, l.Addr().String())
		l.Close()
	}
	sockets, calls, words := echoes(t), chats(t), answering(t, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
	text := func(n int, more string) string {
		strategies := []string{"least_response_time", "round_robin", "least_connections", "random"}
		return fmt.Sprintf(`
			upstream "web" {
				listen   = %q
				strategy = %q
				retry { max = %d }
				%s
			}
			upstream "sockets" {
				listen = %q
				timeouts { first_byte = "%ds" }
				server "s" { address = %q }
			}
			upstream "calls" {
				listen = %q
				limits { max_requests = %d }
				server "s" { address = %q }
			}
			upstream "words" {
				listen   = %q
				protocol = "tcp"
				timeouts { connect = "%ds" }
				server "s" { address = %q }
			}
			%s`, ports[0], strategies[n%4], 2+n%2, blocks, ports[1], 30+n, sockets, ports[2], 1000+n, calls, ports[3], 1+n, words, more)
	}
	a := run(t, parse(t, "%s", text(0, "")))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &conversations{stop: make(chan struct{})}
	kept := inFull(50, 10)
	for range kept {
		socket, _, err := websocket.Dial(ctx, "ws://"+ports[1]+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		c.hold("WebSocket", func(word string) error {
			if err := socket.Write(ctx, websocket.MessageText, []byte(word)); err != nil {
				return err
			}
			_, got, err := socket.Read(ctx)
			return errors.Join(err, same(word, string(got)))
		}, func() { _ = socket.CloseNow() })

		client, err := grpc.NewClient("passthrough:///"+ports[2], grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		stream, err := client.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/Chat")
		if err != nil {
			t.Fatal(err)
		}
		c.hold("gRPC", func(word string) error {
			if err := stream.SendMsg(wrapperspb.String(word)); err != nil {
				return err
			}
			out := new(wrapperspb.StringValue)
			err := stream.RecvMsg(out)
			return errors.Join(err, same(word, out.Value))
		}, func() { _ = stream.CloseSend(); client.Close() })

		conn, err := net.Dial("tcp", ports[3])
		if err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(conn)
		c.hold("TCP", func(word string) error {
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := io.WriteString(conn, word+"\n"); err != nil {
				return err
			}
			got, err := r.ReadString('\n')
			return errors.Join(err, same(word, strings.TrimSpace(got)))
		}, func() { conn.Close() })
	}
	l := startVolley(ports[0], chaosRate, "GET", "POST")
	refused := 0
	const reloads = 20
	for n := range reloads {
		time.Sleep(time.Duration(inFull(500, 100)) * time.Millisecond)
		more := ""
		if n%4 == 3 { // which cannot be
			more = fmt.Sprintf(`
				upstream "late" {
					listen = %q
					server "s" { address = "127.0.0.1:1" }
				}`, taken.Addr())
		}
		if err := a.Reload(parse(t, "%s", text(n+1, more))); (err != nil) != (more != "") {
			t.Errorf("reload %d: %v", n, err)
		} else if err != nil {
			refused++
		}
	}
	time.Sleep(300 * time.Millisecond)
	shots := l.end()
	close(c.stop)
	c.wg.Wait()
	if len(c.lost) > 0 || c.words.Load() < int64(kept) {
		t.Errorf("%d of %d conversations broke off: %q", len(c.lost), 3*kept, c.lost[:min(len(c.lost), 5)])
	}
	bad := append(failed(shots, "GET"), failed(shots, "POST")...)
	report(t, "failed", bad)
	t.Logf("%d reloads, %d of them refused; %d requests, %d failed; %d words in %d conversations, %d broke off",
		reloads, refused, len(shots), len(bad), c.words.Load(), 3*kept, len(c.lost))
	if len(bad) > 0 || refused != reloads/4 || len(shots) < 100 {
		t.Error("that is not what was promised")
	}
	noPostTwice(t, backends)
}
