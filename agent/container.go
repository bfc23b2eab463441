package agent

import (
	"io/fs"
	"math"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// LimitMemory sets the memory limit of the Go runtime to nine tenths of what
// the process's control groups allow, unless there is a limit already, as from
// GOMEMLIMIT. The last tenth is for what the runtime does not count, such as
// the buffers of sockets. It tells the limit and whether it was set. root is
// the file system. (The runtime minds limits of processors itself.)
func LimitMemory(root fs.FS) (limit int64, set bool) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return 0, false
	}
	allowed := controlGroupMemory(root)
	if allowed == math.MaxInt64 {
		return 0, false
	}
	limit = allowed / 10 * 9
	debug.SetMemoryLimit(limit)
	return limit, true
}

// controlGroupMemory is the least that the control groups of this process allow
// in either version of them; math.MaxInt64 where there is no bound. Each group
// is bound by those around it too. A container may see its own group as the
// root of all, though the path that it is told begins further out, so that
// whatever of the path exists counts.
func controlGroupMemory(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(parts) < 3 {
			continue
		}
		mount, file := "sys/fs/cgroup", "memory.max"
		if parts[1] != "" {
			mount, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
			if !strings.Contains(","+parts[1]+",", ",memory,") {
				continue
			}
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			limit = min(limit, readLimit(root, path.Join(mount, group, file)))
			if group == "/" {
				break
			}
		}
	}
	return limit
}

// readLimit is the number in a file; math.MaxInt64 where there is none, or one
// that is beyond all memory, which version 1 has for "none".
func readLimit(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 || n >= 1<<60 {
		return math.MaxInt64
	}
	return n
}
