package proxy

import (
	"strings"
	"testing"
)

// S6: a process that comes near its memory limit refuses requests, and neither
// ends nor stays so when there is memory again.
func TestS6MemoryLimit(t *testing.T) {
	child := startChild(t, "memory", "GOMEMLIMIT=96MiB")
	url, admin := "http://"+child.address("upstream"), "http://"+child.address("admin")
	if resp, _ := get(t, url); resp.StatusCode != 200 {
		t.Fatalf("at first: %d", resp.StatusCode)
	}
	get(t, admin+"/fill?90") // of 96 MiB, beside what the rest takes
	eventually(t, "it refuses", func() bool {
		resp, _ := get(t, url)
		return resp.StatusCode == 503 && strings.Contains(resp.Header.Get("Proxy-Status"), "memory limit")
	})
	if _, body := get(t, admin+"/failures"); !strings.Contains(body, "memory_short") {
		t.Errorf("counted %s", body)
	}
	get(t, admin+"/fill?0")
	eventually(t, "it serves again", func() bool { resp, _ := get(t, url); return resp.StatusCode == 200 })
}
