package proc

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestUsage(t *testing.T) {
	tree, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	before, err := tree.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if before.Resident < 1<<20 || before.Peak < before.Resident/2 {
		t.Errorf("%+v: a Go process has some MiB", before)
	}
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
		_, _ = parentOf([]byte(parentless))
	}
	after, err := tree.Usage()
	if err != nil {
		t.Fatal(err)
	}
	// Less than the 50 ms where others had the processor meanwhile.
	if used := after.CPU - before.CPU; used < time.Millisecond {
		t.Errorf("50 ms of spinning cost %v", used)
	}
}

func TestResetPeak(t *testing.T) {
	tree, _ := Of(os.Getpid())
	with, err := usageWithBlock(tree)
	if err != nil {
		t.Fatal(err)
	}
	debug.FreeOSMemory()
	if err := tree.ResetPeak(); err != nil {
		t.Fatal(err)
	}
	without, err := tree.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if without.Peak > with.Peak-32<<20 {
		t.Errorf("the peak was %d with a block of 64 MiB, and is %d after a reset without it", with.Peak, without.Peak)
	}
}

// usageWithBlock reads it while 64 MiB are in use.
func usageWithBlock(tree Tree) (Usage, error) {
	block := make([]byte, 64<<20)
	defer runtime.KeepAlive(block)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	return tree.Usage()
}

func TestTree(t *testing.T) {
	// The shell waits for its child, which is a grandchild of this process.
	cmd := exec.Command("sh", "-c", "sleep 60 & echo; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tree := Tree{}
	t.Cleanup(func() {
		for _, pid := range tree {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if tree, err = Of(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if len(tree) != 2 || tree[0] != cmd.Process.Pid {
		t.Errorf("a shell %d with one child is %v", cmd.Process.Pid, tree)
	}
	if none, err := Of(0); err != nil || len(none) != 0 {
		t.Errorf("no process is %v, %v", none, err)
	}
}

const parentless = "7 (a (b) c) S\n"

func TestParentOf(t *testing.T) {
	for stat, want := range map[string]int{
		"7 (cat) S 12 7 7 0":         12,
		"7 (a (b) 3 4 5) R 1 7 7 0":  1,
		"7 (cat) S":                  -1,
		parentless:                   -1,
		"":                           -1,
		"7 (cat) S x":                -1,
		"no brackets at all, and so": -1,
	} {
		pid, ok := parentOf([]byte(stat))
		if !ok {
			pid = -1
		}
		if pid != want {
			t.Errorf("parent in %q is %d, want %d", stat, pid, want)
		}
	}
}
