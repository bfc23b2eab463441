package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/outrigger-sidecar/outrigger/bench/backend"
	"github.com/outrigger-sidecar/outrigger/bench/floor"
	"github.com/outrigger-sidecar/outrigger/bench/load"
)

// The bench plays some parts itself, each in a process of its own, so that what
// a proxy costs can be told from the rest. Such a process is this program with a
// part in its environment. It ends with its standard input, and so with the
// process that started it, however that ends.
const (
	partVariable = "OUTRIGGER_BENCH_PART"
	jobVariable  = "OUTRIGGER_BENCH_JOB"
)

const (
	backendPart = "backend" // prints its backend.Addresses
	floorPart   = "floor"   // has a floor.Job
	loadPart    = "load"    // has a load.Plan, and prints a load.Result
)

// part is how to run this program in a part.
func part(name string, job any, env ...string) (command, error) {
	self, err := os.Executable()
	if err != nil {
		return command{}, err
	}
	text, err := json.Marshal(job)
	if err != nil {
		return command{}, err
	}
	return command{args: []string{self}, env: append(env, partVariable+"="+name, jobVariable+"="+string(text))}, nil
}

// playPart plays the part that this process has, if it has any.
func playPart() (code int, played bool) {
	name := os.Getenv(partVariable)
	if name == "" {
		return 0, false
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	// Ctrl-C reaches all processes of a terminal; the first of them tells when
	// to end.
	signal.Ignore(os.Interrupt)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := play(ctx, name, []byte(os.Getenv(jobVariable)), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		return 1, true
	}
	return 0, true
}

func play(ctx context.Context, name string, job []byte, stdout io.Writer) error {
	switch name {
	case backendPart:
		b, err := backend.Listen()
		if err != nil {
			return err
		}
		if err := json.NewEncoder(stdout).Encode(b.Addresses()); err != nil {
			return err
		}
		b.Serve(ctx)
		return nil
	case floorPart:
		var j floor.Job
		if err := json.Unmarshal(job, &j); err != nil {
			return err
		}
		return floor.Serve(ctx, j)
	case loadPart:
		var p load.Plan
		if err := json.Unmarshal(job, &p); err != nil {
			return err
		}
		result, err := load.Run(ctx, p)
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(result)
	}
	return fmt.Errorf("there is no such part")
}

// playLoad plays a plan in a process of its own, on one processor like each
// backend.
func playLoad(ctx context.Context, p load.Plan) (result load.Result, err error) {
	c, err := part(loadPart, p, "GOMAXPROCS=1")
	if err != nil {
		return result, err
	}
	var out bytes.Buffer
	generator, err := start(c, &out)
	if err != nil {
		return result, err
	}
	if err := generator.wait(ctx); err != nil {
		return result, err
	}
	return result, json.Unmarshal(out.Bytes(), &result)
}
