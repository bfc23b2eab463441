package agent

import (
	"math"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

func TestControlGroupMemory(t *testing.T) {
	for _, test := range []struct {
		what  string
		files map[string]string
		want  int64
	}{
		{"no control groups", nil, math.MaxInt64},
		{"version 2, at the root of a container", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "104857600\n"}, 104857600},
		{"version 2, without a limit", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, math.MaxInt64},
		{"version 2, the group around is less", map[string]string{
			"proc/self/cgroup":                                        "0::/system.slice/outrigger.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                   "1000000\n",
			"sys/fs/cgroup/system.slice/outrigger.service/memory.max": "2000000\n",
		}, 1000000},
		{"version 1, with a path from outside", map[string]string{
			"proc/self/cgroup": "12:cpu,cpuacct:/docker/1\n5:memory:/docker/1\n0::/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "3000000\n",
		}, 3000000},
		{"version 1, without a limit", map[string]string{"proc/self/cgroup": "5:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, math.MaxInt64},
		{"nonsense", map[string]string{"proc/self/cgroup": "what\n0::../../x\n", "sys/fs/cgroup/memory.max": "-1"}, math.MaxInt64},
	} {
		root := make(fstest.MapFS)
		for name, text := range test.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := controlGroupMemory(root); got != test.want {
			t.Errorf("%s: %d, want %d", test.what, got, test.want)
		}
	}
}

func TestLimitMemory(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	root := fstest.MapFS{
		"proc/self/cgroup":         {Data: []byte("0::/\n")},
		"sys/fs/cgroup/memory.max": {Data: []byte("10000000000\n")},
	}
	if limit, set := LimitMemory(root); !set || limit != 9000000000 || debug.SetMemoryLimit(-1) != limit {
		t.Errorf("set %v to %d, and it is %d", set, limit, debug.SetMemoryLimit(-1))
	}
	if limit, set := LimitMemory(root); set {
		t.Errorf("set again, to %d", limit)
	}
}
