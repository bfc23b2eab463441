package suites

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

// The standard cases of gRPC's interop suite, but for those of credentials that
// are not to be had here and of ORCA's load reports: they pass through the agent
// as they do without it. A case that fails ends the process, which is gRPC's way.
func TestGRPCInterop(t *testing.T) {
	backend := grpcServer(t)
	for _, way := range []struct{ name, more string }{
		{"directly", ""},
		{"through the agent", `backend_protocol = "h2c"`},
		{"through the agent, which tells gRPC by itself", "\n"},
	} {
		t.Run(way.name, func(t *testing.T) {
			address := backend
			if way.more != "" {
				address = start(t, backend, way.more).address
			}
			conn := grpcClient(t, address)
			tc := testgrpc.NewTestServiceClient(conn)
			for _, one := range []struct {
				name string
				play func(context.Context)
			}{
				{"empty_unary", func(ctx context.Context) { interop.DoEmptyUnaryCall(ctx, tc) }},
				{"large_unary", func(ctx context.Context) { interop.DoLargeUnaryCall(ctx, tc) }},
				{"client_streaming", func(ctx context.Context) { interop.DoClientStreaming(ctx, tc) }},
				{"server_streaming", func(ctx context.Context) { interop.DoServerStreaming(ctx, tc) }},
				{"ping_pong", func(ctx context.Context) { interop.DoPingPong(ctx, tc) }},
				{"empty_stream", func(ctx context.Context) { interop.DoEmptyStream(ctx, tc) }},
				{"timeout_on_sleeping_server", func(ctx context.Context) { interop.DoTimeoutOnSleepingServer(ctx, tc) }},
				{"cancel_after_begin", func(ctx context.Context) { interop.DoCancelAfterBegin(ctx, tc) }},
				{"cancel_after_first_response", func(ctx context.Context) { interop.DoCancelAfterFirstResponse(ctx, tc) }},
				{"status_code_and_message", func(ctx context.Context) { interop.DoStatusCodeAndMessage(ctx, tc) }},
				{"special_status_message", func(ctx context.Context) { interop.DoSpecialStatusMessage(ctx, tc) }},
				{"custom_metadata", func(ctx context.Context) { interop.DoCustomMetadata(ctx, tc) }},
				{"unimplemented_method", func(ctx context.Context) { interop.DoUnimplementedMethod(ctx, conn) }},
				{"unimplemented_service", func(ctx context.Context) {
					interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(conn))
				}},
				{"rpc_soak", func(ctx context.Context) {
					soak(ctx, address, 1000, func() (*grpc.ClientConn, func()) { return conn, func() {} })
				}},
				{"channel_soak", func(ctx context.Context) {
					soak(ctx, address, 100, func() (*grpc.ClientConn, func()) {
						conn := grpcClient(t, address)
						return conn, func() { conn.Close() }
					})
				}},
			} {
				t.Run(one.name, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
					defer cancel()
					one.play(ctx)
				})
			}
		})
	}
}

// soak makes large calls, from ten clients at once, none of which may take
// longer than a second.
func soak(ctx context.Context, address string, calls int, channel func() (*grpc.ClientConn, func())) {
	interop.DoSoakTest(ctx, interop.SoakTestConfig{
		RequestSize: 271828, ResponseSize: 314159,
		PerIterationMaxAcceptableLatency: time.Second,
		OverallTimeout:                   30 * time.Second,
		ServerAddr:                       address,
		NumWorkers:                       10,
		Iterations:                       calls,
		ChannelForTest:                   channel,
	})
}

func grpcServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(s, interop.NewTestServer())
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

func grpcClient(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
