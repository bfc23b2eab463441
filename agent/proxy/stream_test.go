package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// echoService is a gRPC service, made by hand so that no generated code is
// needed: Call answers with what it got, Chat too, message by message.
func echoService(t testing.TB, options ...grpc.ServerOption) string {
	t.Helper()
	call := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(wrapperspb.StringValue)
		if err := decode(in); err != nil {
			return nil, err
		}
		_ = grpc.SetHeader(ctx, metadata.Pairs("x-header", "h"))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "t"))
		if code, ok := strings.CutPrefix(in.Value, "fail:"); ok {
			return nil, status.Error(codes.Code(code[0]-'0'), "as you wish: é")
		}
		return in, nil
	}
	chat := func(_ any, stream grpc.ServerStream) error {
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
	}
	server := grpc.NewServer(options...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Call", Handler: call}},
		Streams:     []grpc.StreamDesc{{StreamName: "Chat", Handler: chat, ServerStreams: true, ClientStreams: true}},
	}, nil)
	l := listen(t)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

func grpcClient(t testing.TB, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestGRPC(t *testing.T) {
	f := startHTTP(t, defaults(), echoService(t))
	conn := grpcClient(t, f.address)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	var header, trailer metadata.MD
	out := new(wrapperspb.StringValue)
	if err := conn.Invoke(ctx, "/test.Echo/Call", wrapperspb.String("hello"), out, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		t.Fatal(err)
	}
	if out.Value != "hello" || header.Get("x-header")[0] != "h" || trailer.Get("x-trailer")[0] != "t" {
		t.Errorf("%q, header %v, trailer %v", out.Value, header, trailer)
	}

	// A status and its text pass, and an unavailable backend is found out.
	err := conn.Invoke(ctx, "/test.Echo/Call", wrapperspb.String("fail:5"), out)
	if s := status.Convert(err); s.Code() != codes.NotFound || s.Message() != "as you wish: é" {
		t.Errorf("got %v", err)
	}
	settled(t, f)
	if got := statsOf(t, f, 0).Failures; got != 0 {
		t.Errorf("NOT_FOUND counts as a failure of the backend")
	}
	if err := conn.Invoke(ctx, "/test.Echo/Call", wrapperspb.String("fail:>"), out); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	settled(t, f)
	if got := statsOf(t, f, 0).Failures; got != 1 {
		t.Errorf("UNAVAILABLE counts %d failures of the backend", got)
	}

	// Each message goes through at once, both ways, and so does the end.
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/Chat")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"one", strings.Repeat("two", 100000), "three"} {
		if err := stream.SendMsg(wrapperspb.String(word)); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(out); err != nil || out.Value != word {
			t.Fatalf("%d bytes, %v", len(out.Value), err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(out); !errors.Is(err, io.EOF) {
		t.Errorf("the end of the stream is %v", err)
	}
}

func TestGRPCWithoutABackend(t *testing.T) {
	for _, tt := range []struct {
		name     string
		backends []string
		code     codes.Code
		text     string
	}{
		{"none", nil, codes.Unavailable, "no usable backend"},
		{"refused", []string{refusing(t)}, codes.Unavailable, "refused"},
	} {
		f := startHTTP(t, defaults(), tt.backends...)
		err := grpcClient(t, f.address).Invoke(t.Context(), "/test.Echo/Call", wrapperspb.String("x"), new(wrapperspb.StringValue))
		if s := status.Convert(err); s.Code() != tt.code || !strings.Contains(s.Message(), tt.text) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	silent, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	o := defaults()
	o.Timeouts.FirstByte = 100 * time.Millisecond
	f := startHTTP(t, o, silent)
	err := grpcClient(t, f.address).Invoke(t.Context(), "/test.Echo/Call", wrapperspb.String("x"), new(wrapperspb.StringValue))
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("silent: %v", err)
	}
}

func echoSocket(t *testing.T) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"echo"}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(1 << 20)
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if string(message) == "bye" {
				_ = conn.Close(4001, "as you wish")
				return
			}
			if conn.Write(r.Context(), kind, message) != nil {
				return
			}
		}
	})
}

func dialSocket(t *testing.T, address string) *websocket.Conn {
	t.Helper()
	conn, resp, err := websocket.Dial(t.Context(), "ws://"+address+"/chat?room=1", &websocket.DialOptions{Subprotocols: []string{"echo"}})
	if err != nil {
		t.Fatal(err)
	}
	if conn.Subprotocol() != "echo" || resp.StatusCode != 101 {
		t.Errorf("agreed on %q with %d", conn.Subprotocol(), resp.StatusCode)
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func TestWebSocket(t *testing.T) {
	f := startHTTP(t, defaults(), refusing(t), echoSocket(t))
	conn := dialSocket(t, f.address)
	for _, message := range []string{"hello", strings.Repeat("x", 200000), ""} {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || string(got) != message {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	if st := statsOf(t, f, 1); st.Active != 1 || st.MeanResponseTime == 0 {
		t.Errorf("while it is open: %+v", st)
	}
	_ = conn.Write(t.Context(), websocket.MessageText, []byte("bye"))
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != 4001 {
		t.Errorf("closed with %v", err)
	}
	settled(t, f)
}

func TestC9OnlyAMatchingUpgradeIsATunnel(t *testing.T) {
	address, _ := rawBackend(t, func(conn net.Conn, r *bufio.Reader) {
		req := readHead(r)
		if req == nil {
			return
		}
		if req.Header.Get("Upgrade") != "" {
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: something-else\r\n\r\n")
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
	})
	f := startHTTP(t, defaults(), address)
	get := "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, "
	if got := raw(t, f.address, get+"upgrade\r\nUpgrade: websocket\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 502") {
		t.Errorf("another protocol than asked for: %q", got)
	}
	for _, h := range []string{"upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n", "x\r\nUpgrade: websocket\r\n\r\n"} {
		if got := raw(t, f.address, get+h); !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.HasSuffix(got, "plain") {
			t.Errorf("%q got %q", h, got)
		}
	}
}

func TestSilentTunnelsEnd(t *testing.T) {
	o := defaults()
	o.Timeouts.Tunnel = 100 * time.Millisecond
	f := startHTTP(t, o, echoSocket(t))
	conn := dialSocket(t, f.address)
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("read something")
	}
	settled(t, f)
}
