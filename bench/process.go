package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/outrigger-sidecar/outrigger/bench/proc"
)

// command is a program to run.
type command struct {
	args []string // the program first
	env  []string // besides what this process has; the last of a name counts
}

// process is a program that runs. Create it with start, and end it with stop.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	began  time.Time // just before it was started
	ended  chan struct{}
	err    error // how it ended, once ended is closed
	stderr *tail
}

// start runs a program. What it writes goes to stdout, which may be nil; the
// end of what it writes to its standard error is kept, to explain a failure.
func start(c command, stdout io.Writer) (*process, error) {
	p := &process{ended: make(chan struct{}), stderr: new(tail)}
	p.cmd = exec.Command(c.args[0], c.args[1:]...) //nolint:gosec // G204: running programs is the job
	p.cmd.Env = append(plainEnv(os.Environ()), c.env...)
	p.cmd.Stdout, p.cmd.Stderr = stdout, p.stderr
	p.cmd.WaitDelay = time.Second // for those who inherited the pipes
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// plainEnv is an environment without what would have the agent report to
// somebody.
func plainEnv(env []string) (plain []string) {
	for _, v := range env {
		if !strings.HasPrefix(v, "OTEL_") && !strings.HasPrefix(v, "CONSUL_") {
			plain = append(plain, v)
		}
	}
	return plain
}

func (p *process) pid() int {
	if p == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// stop has the process end, by force if it does not by itself in a few seconds.
// A nil process has ended.
func (p *process) stop() { p.stopWithin(5 * time.Second) }

func (p *process) stopWithin(grace time.Duration) {
	if p == nil {
		return
	}
	tree, _ := proc.Of(p.pid())
	p.stdin.Close()
	if p.cmd.Process.Signal(syscall.SIGTERM) != nil { // there is none on Windows
		_ = p.cmd.Process.Kill()
	}
	select {
	case <-p.ended:
		return
	case <-time.After(grace):
	}
	_ = p.cmd.Process.Kill()
	for _, pid := range tree {
		if child, err := os.FindProcess(pid); err == nil {
			_ = child.Kill()
		}
	}
	<-p.ended
}

// wait waits for a process that ends by itself.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.stop()
		return ctx.Err()
	}
	p.stdin.Close()
	if p.err != nil {
		return p.explain(p.err)
	}
	return nil
}

// explain adds to an error what the process wrote at last.
func (p *process) explain(err error) error {
	if said := p.stderr.String(); said != "" {
		return fmt.Errorf("%w; it says:\n%s", err, said)
	}
	return err
}

// running fails once the process has ended.
func (p *process) running() error {
	if p == nil {
		return nil
	}
	select {
	case <-p.ended:
		return p.explain(fmt.Errorf("it has ended: %v", p.cmd.ProcessState))
	default:
		return nil
	}
}

// tail keeps the end of what is written to it. It may be used by several
// goroutines at once. The zero tail is empty.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 2 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
