package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// child is a process of its own, since what it lacks the tests need.
type child struct{ addresses map[string]string }

func (c *child) address(of string) string { return c.addresses[of] }

// startChild starts this program again, which only plays the part of TestChild.
// It ends with the test.
func startChild(t *testing.T, part string, env ...string) *child {
	t.Helper()
	echo := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
		}
	})
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(append(os.Environ(), env...), "OUTRIGGER_PART="+part, "OUTRIGGER_BACKEND="+echo)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	t.Cleanup(func() {
		stdin.Close()
		for lines.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the process ended with %v", err)
		}
	})
	c := &child{addresses: make(map[string]string)}
	for len(c.addresses) < 2 && lines.Scan() {
		if name, address, ok := strings.Cut(lines.Text(), " at "); ok {
			c.addresses[name] = address
		}
	}
	if len(c.addresses) < 2 {
		t.Fatal("the process did not begin")
	}
	return c
}

// TestChild is no test, but what the other process does: it serves an upstream
// and beside it an admin listener until it is told to end.
func TestChild(t *testing.T) {
	part := os.Getenv("OUTRIGGER_PART")
	if part == "" {
		t.Skip("it is for other tests to start")
	}
	o := defaults()
	switch part {
	case "descriptors":
		limit := syscall.Rlimit{Cur: 256, Max: 256}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		o.Descriptors = NewDescriptors(64)
	case "memory":
		o.Memory = NewMemory()
	}
	f := startHTTP(t, o, os.Getenv("OUTRIGGER_BACKEND"))
	var ballast []byte
	mux := http.NewServeMux()
	mux.HandleFunc("/fill", func(_ http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.RawQuery)
		ballast = nil
		ballast = make([]byte, n<<20)
		runtime.GC()
	})
	mux.HandleFunc("/failures", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, len(ballast), f.Meter.Failures())
	})
	mux.HandleFunc("/consul", func(w http.ResponseWriter, _ *http.Request) { // calls another, as the agent does
		conn, err := net.DialTimeout("tcp", os.Getenv("OUTRIGGER_BACKEND"), time.Second)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		conn.Close()
	})
	l := listen(t)
	admin := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = admin.Serve(l) }()
	defer admin.Close()
	fmt.Printf("admin at %s\nupstream at %s\n", l.Addr(), f.address)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
