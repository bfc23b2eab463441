package agent

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestUnixListener(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no such modes there")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "web.sock")
	first, err := listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if first.at() != "unix://"+path {
		t.Errorf("is said to be at %s", first.at())
	}
	if _, err := listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "another process does") {
		t.Errorf("a socket in use: %v", err)
	}
	if err := os.Rename(path, path+".kept"); err != nil { // as a killed process leaves it
		t.Fatal(err)
	}
	first.Close()
	if err := os.Rename(path+".kept", path); err != nil {
		t.Fatal(err)
	}
	second, err := listen("unix://" + path)
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	second.Close()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("a file that is no socket: %v", err)
	}
	if content, _ := os.ReadFile(path); string(content) != "precious" {
		t.Error("it was overwritten")
	}
	if _, err := listen("unix://" + filepath.Join(dir, "missing", "web.sock")); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("no such directory: %v", err)
	}
}

// A connection that waits to be accepted as the loan ends is handed over, since
// it would be reset if the listener was closed then.
func TestLoanEndsWithNobodyWaiting(t *testing.T) {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lent := l.lend()
	const count = 20
	for range count {
		conn, err := net.Dial("tcp", l.at())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if err := lent.Close(); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		conn, err := lent.Accept()
		if errors.Is(err, net.ErrClosed) && n == count {
			break
		}
		if err != nil {
			t.Fatalf("after %d: %v", n, err)
		}
		conn.Close()
	}
	again := l.lend()
	conn, err := net.Dial("tcp", l.at())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if conn, err := again.Accept(); err != nil {
		t.Errorf("lent again: %v", err)
	} else {
		conn.Close()
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	first, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := listen(first.at()); err == nil || !strings.Contains(err.Error(), first.at()) || strings.Count(err.Error(), first.at()) != 1 {
		t.Errorf("got %v", err)
	}
}

// A listener passes from one borrower to the next, and connections that come
// in between wait.
func TestListenersAreLent(t *testing.T) {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	one := l.lend()
	ended := make(chan error, 1)
	go func() { _, err := one.Accept(); ended <- err }()
	one.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the first borrower got %v", err)
	}
	conn, err := net.Dial("tcp", l.at())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	two := l.lend()
	accepted, err := two.Accept()
	if err != nil {
		t.Fatalf("the second borrower got %v", err)
	}
	defer accepted.Close()
	if accepted.RemoteAddr().String() != conn.LocalAddr().String() {
		t.Error("it got another connection")
	}
	two.Close()
	two.Close()
}
