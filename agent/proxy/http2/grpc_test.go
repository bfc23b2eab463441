package http2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// answering is gRPC's own test service.
type answering struct {
	grpc_testing.UnimplementedTestServiceServer
	cancelled chan error // of a call that waits for its end
}

func (a *answering) UnaryCall(ctx context.Context, r *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	if s := r.ResponseStatus; s != nil && s.Code == int32(codes.DeadlineExceeded) {
		<-ctx.Done()
		a.cancelled <- ctx.Err()
		return nil, ctx.Err()
	} else if s != nil {
		return nil, status.Error(codes.Code(s.Code), s.Message)
	}
	in, _ := metadata.FromIncomingContext(ctx)
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-echo", in.Get("x-sent")[0], "x-bin", in.Get("x-sent-bin")[0]))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-trailing", "yes"))
	return &grpc_testing.SimpleResponse{Payload: &grpc_testing.Payload{Body: make([]byte, r.ResponseSize)}}, nil
}

func (a *answering) FullDuplexCall(s grpc_testing.TestService_FullDuplexCallServer) error {
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			a.cancelled <- s.Context().Err()
			return err
		}
		for _, p := range r.ResponseParameters {
			if err := s.Send(&grpc_testing.StreamingOutputCallResponse{Payload: &grpc_testing.Payload{Body: bytes.Repeat(r.Payload.Body, int(p.Size))}}); err != nil {
				return err
			}
		}
	}
}

func (a *answering) StreamingInputCall(s grpc_testing.TestService_StreamingInputCallServer) error {
	sum := 0
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&grpc_testing.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)})
		}
		if err != nil {
			return err
		}
		sum += len(r.Payload.Body)
	}
}

// The whole of gRPC goes through: client, our server, our client, server.
func TestGRPC(t *testing.T) {
	service := &answering{cancelled: make(chan error, 1)}
	l := listen(t)
	backend := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(backend, service)
	var serving sync.WaitGroup
	serving.Go(func() { _ = backend.Serve(l) })
	t.Cleanup(func() { backend.Stop(); serving.Wait() })
	conn, err := grpc.NewClient(relay(t, l.Addr().String(), 1), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := grpc_testing.NewTestServiceClient(conn)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	t.Run("unary", func(t *testing.T) {
		for _, size := range []int{0, 1, 100_000, 3 << 20} {
			var header, trailer metadata.MD
			out := metadata.AppendToOutgoingContext(ctx, "x-sent", "a b", "x-sent-bin", "\x00\xff\n")
			r, err := c.UnaryCall(out, &grpc_testing.SimpleRequest{
				Payload:      &grpc_testing.Payload{Body: make([]byte, size)},
				ResponseSize: int32(size),
			}, grpc.Header(&header), grpc.Trailer(&trailer))
			if err != nil || len(r.Payload.Body) != size {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if header.Get("x-echo")[0] != "a b" || header.Get("x-bin")[0] != "\x00\xff\n" || trailer.Get("x-trailing")[0] != "yes" {
				t.Errorf("%v, %v", header, trailer)
			}
		}
	})
	t.Run("trailers only", func(t *testing.T) {
		_, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{ResponseStatus: &grpc_testing.EchoStatus{Code: 9, Message: "not so,\nnot thus: 100%"}})
		if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "not so,\nnot thus: 100%" {
			t.Error(err)
		}
		if _, err := c.UnimplementedCall(ctx, &grpc_testing.Empty{}); status.Code(err) != codes.Unimplemented {
			t.Error(err)
		}
	})
	t.Run("both ways", func(t *testing.T) {
		s, err := c.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int32{1, 1000, 10, 500_000, 7} { // each waits for the one before
			err := s.Send(&grpc_testing.StreamingOutputCallRequest{
				Payload:            &grpc_testing.Payload{Body: []byte("x")},
				ResponseParameters: []*grpc_testing.ResponseParameters{{Size: size}, {Size: size}},
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if r, err := s.Recv(); err != nil || len(r.Payload.Body) != int(size) {
					t.Fatal(size, err)
				}
			}
		}
		_ = s.CloseSend()
		if _, err := s.Recv(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	t.Run("upload", func(t *testing.T) {
		s, err := c.StreamingInputCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := s.Send(&grpc_testing.StreamingInputCallRequest{Payload: &grpc_testing.Payload{Body: make([]byte, 27182)}}); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := s.CloseAndRecv(); err != nil || r.AggregatedPayloadSize != 2718200 {
			t.Errorf("%v, %v", r, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		s, err := c.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Send(&grpc_testing.StreamingOutputCallRequest{Payload: &grpc_testing.Payload{}, ResponseParameters: []*grpc_testing.ResponseParameters{{}}})
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-service.cancelled; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, err := c.UnaryCall(ctx, &grpc_testing.SimpleRequest{ResponseStatus: &grpc_testing.EchoStatus{Code: int32(codes.DeadlineExceeded)}})
		// The server knows the deadline too. Where it is first, it resets the
		// stream, and this relay knows no better than to do the same.
		if code := status.Code(err); code != codes.DeadlineExceeded && code != codes.Internal {
			t.Error(err)
		}
		if err := <-service.cancelled; err == nil {
			t.Error("the backend was not told")
		}
	})
	t.Run("backend dies", func(t *testing.T) {
		s, err := c.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Send(&grpc_testing.StreamingOutputCallRequest{Payload: &grpc_testing.Payload{}, ResponseParameters: []*grpc_testing.ResponseParameters{{}}})
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		go backend.Stop()
		if _, err := s.Recv(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%v", err)
		}
	})
}
