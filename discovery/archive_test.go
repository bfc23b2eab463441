package discovery

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

func TestArchive(t *testing.T) {
	a := Archive{Dir: filepath.Join(t.TempDir(), "new", "dir")}
	if _, err := a.Load("web", "q"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing was kept, and Load says %v", err)
	}
	s := named(7, "a", "b")
	s.At = time.Now().Add(-time.Hour)
	s.Instances[0].Declared = health.Declaration{Status: health.Critical, Check: "c", Output: "o", WarningWeight: 3}
	s.Instances[1].Metadata = map[string]string{"k": "v"}
	s.Instances[1].Priority, s.Notes = 5, []string{"b: odd"}
	for _, each := range []Snapshot{named(1), s} { // the second replaces the first
		if err := a.Save("web", "q", each); err != nil {
			t.Fatal(err)
		}
	}
	got, err := a.Load("web", "q")
	if err != nil || !got.Equal(s) || got.Index != 7 || !got.At.Equal(s.At) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := a.Load("web", "another"); err == nil {
		t.Error("an old answer to another question was given")
	}
	path := filepath.Join(a.Dir, "web.snapshot.json")
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(a.Dir); len(entries) != 1 {
		t.Errorf("there are %d files", len(entries))
	}

	whole, _ := os.ReadFile(path)
	for name, damaged := range map[string][]byte{
		"empty":     {},
		"truncated": whole[:len(whole)/2],
		"altered":   bytes.Replace(whole, []byte("a:80"), []byte("x:80"), 1),
		"format":    bytes.Replace(whole, []byte(`"format":1`), []byte(`"format":9`), 1),
		"garbage":   []byte("\x00\x01\x02"),
	} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := a.Load("web", "q"); err == nil || !strings.Contains(err.Error(), "web") {
			t.Errorf("%s: got %+v, %v", name, s, err)
		}
	}
	future := named(1, "a")
	future.At = time.Now().Add(time.Hour)
	if err := a.Save("web", "q", future); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Load("web", "q"); err != nil || got.At.After(time.Now()) {
		t.Errorf("from the future: %v, %v", got.At, err)
	}
	if err := (Archive{Dir: path}).Save("web", "q", s); err == nil {
		t.Error("a directory that is a file was written to")
	}
}

// A file of a version that knew of no priorities is as good as before.
func TestArchiveOfAnEarlierVersion(t *testing.T) {
	a := Archive{Dir: t.TempDir()}
	const body = `{"Question":"q","Snapshot":{"Index":7,"At":"2025-01-01T00:00:00Z","Instances":[` +
		`{"ID":"a","Address":"a:80","Weight":3,"Zone":"z","Metadata":null,"Declared":{"Status":0,"Check":"","Output":"","WarningWeight":0}}],"Skipped":null}}`
	file := `{"format":1,"sha256":"` + sum([]byte(body)) + `","body":` + body + "}\n"
	if err := os.WriteFile(a.path("web"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := a.Load("web", "q")
	if err != nil || len(s.Instances) != 1 || s.Instances[0].Weight != 3 || s.Instances[0].Priority != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
}

func FuzzArchive(f *testing.F) {
	dir := f.TempDir()
	a := Archive{Dir: dir}
	if err := a.Save("web", "q", named(7, "a", "b")); err != nil {
		f.Fatal(err)
	}
	whole, _ := os.ReadFile(a.path("web"))
	f.Add(whole)
	f.Add([]byte(`{"format":1,"sha256":"","body":{}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a := Archive{Dir: t.TempDir()}
		if err := os.WriteFile(a.path("web"), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := a.Load("web", "q"); err != nil && len(s.Instances) > 0 {
			t.Error("damaged, and still of use")
		}
	})
}
