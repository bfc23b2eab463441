package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Of looks up the tree of a process. Of process 0 it is empty.
func Of(pid int) (Tree, error) {
	if pid == 0 {
		return nil, nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	children := make(map[int][]int)
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended meanwhile
		}
		if parent, ok := parentOf(stat); ok {
			children[parent] = append(children[parent], child)
		}
	}
	tree := Tree{pid}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree, nil
}

// parentOf reads the fourth field of a stat file. The second is the command in
// brackets, and may itself hold blanks and brackets.
func parentOf(stat []byte) (pid int, ok bool) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, false
	}
	pid, err := strconv.Atoi(string(fields[1]))
	return pid, err == nil
}

// Usage reads what the tree has cost. It fails when one of the processes is gone.
func (t Tree) Usage() (u Usage, err error) {
	for _, pid := range t {
		cpu, err := processorTime(pid)
		if err != nil {
			return u, err
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return u, err
		}
		u.CPU += cpu
		u.Resident += kib(status, "VmRSS:") << 10
		u.Peak += kib(status, "VmHWM:") << 10
	}
	return u, nil
}

// processorTime reads the clock of a process, which is what utime and stime in
// its stat file add up to, in nanoseconds and not in ticks of 10 ms. The number
// of that clock is made as clock_getcpuclockid(3) makes it.
func processorTime(pid int) (time.Duration, error) {
	const scheduled = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &ts); err != nil {
		return 0, fmt.Errorf("clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// kib finds a line such as "VmRSS:     1234 kB"; 0 where there is none.
func kib(status []byte, key string) int64 {
	_, after, _ := bytes.Cut(status, []byte("\n"+key))
	fields := bytes.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return n
}

// ResetPeak makes Peak begin again at what is in memory now.
func (t Tree) ResetPeak() error {
	for _, pid := range t {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			return err
		}
	}
	return nil
}
