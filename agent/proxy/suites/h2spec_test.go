package suites

import (
	"encoding/xml"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
)

// report is what h2spec writes, in the form of JUnit.
type report struct {
	Suites []struct {
		Package string `xml:"package,attr"`
		Cases   []struct {
			Name    string    `xml:"classname,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// Every case of h2spec passes against a listener of the agent, in the clear by
// prior knowledge, but for those that testdata/h2spec.waived names, with the
// reason; and those do fail.
func TestH2spec(t *testing.T) {
	a := start(t, web(t, 1024), "")
	host, port, _ := net.SplitHostPort(a.address)
	number, _ := strconv.Atoi(port)
	path := filepath.Join(t.TempDir(), "h2spec.xml")
	c := &config.Config{
		Host: host, Port: number, Path: "/", Timeout: 5 * time.Second, MaxHeaderLen: 4000, Strict: true, JUnitReport: path,
	}
	if _, err := h2spec.Run(c); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := xml.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	waived := waivers(t)
	total, passed := 0, 0
	for _, suite := range r.Suites {
		for _, one := range suite.Cases {
			total++
			name := suite.Package + ": " + one.Name
			bad := one.Failure != nil || one.Error != nil || one.Skipped != nil
			if !bad {
				passed++
			}
			if waived[name] != bad {
				t.Errorf("%s: it fails: %v, it is waived: %v", name, bad, waived[name])
			}
			delete(waived, name)
		}
	}
	t.Logf("%d of %d pass", passed, total)
	if total != 146 || len(waived) > 0 {
		t.Errorf("%d were played, want 146; %v is waived and unknown", total, waived)
	}
}

// waivers are one a line, with the reason after a #.
func waivers(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("testdata/h2spec.waived")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		name, reason, _ := strings.Cut(line, " # ")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if strings.TrimSpace(reason) == "" {
			t.Errorf("%q is waived without a reason", name)
		}
		all[name] = true
	}
	return all
}
