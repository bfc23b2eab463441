package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// aged is a snapshot as it is kept.
func aged(ids ...string) Snapshot {
	s := named(7, ids...)
	s.At = time.Now().Add(-time.Hour)
	return s
}

func TestArchive(t *testing.T) {
	a := Archive{Dir: filepath.Join(t.TempDir(), "new", "dir")}
	if _, err := a.Load("web", "q"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing was kept, and Load says %v", err)
	}
	s := aged("a", "b")
	s.Instances[0].Declared = health.Declaration{Status: health.Critical, Check: "c", Output: "o", WarningWeight: 3}
	s.Instances[0].Checks = []Check{{ID: "c", Output: "secret"}}
	s.Instances[1].Metadata, s.Instances[1].Priority = map[string]string{"k": "v"}, 5
	s.Origin, s.Notes = Origin{Server: "127.0.0.1:8500", Datacenter: "dc1", Leader: true}, []string{"b: odd"}
	for _, each := range []Snapshot{aged(), s} { // the second replaces the first
		if err := a.Save("web", "q", each); err != nil {
			t.Fatal(err)
		}
	}
	got, err := a.Load("web", "q")
	if err != nil || !got.Equal(s) || got.Index != 7 || !got.At.Equal(s.At) || got.Origin != s.Origin || got.Instances[0].Declared.Output != "o" {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(got.Instances[0].Checks) != 0 {
		t.Error("checks are kept, which nobody wants when they are old")
	}
	if _, err := a.Load("web", "another"); !errors.Is(err, ErrQuestion) {
		t.Errorf("an old answer to another question: %v", err)
	}
	path := filepath.Join(a.Dir, "web.snapshot.json")
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(a.Dir); len(entries) != 1 {
		t.Errorf("there are %d files", len(entries))
	}
	future := named(1, "a")
	future.At = time.Now().Add(time.Hour)
	if err := a.Save("web", "q", future); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Load("web", "q"); err != nil || got.At.After(time.Now()) {
		t.Errorf("from the future: %v, %v", got.At, err)
	}
	if err := a.Save("../web", "q", s); err == nil {
		t.Error("a name led out of the directory")
	}
}

func TestArchivesThatAreDamagedAreNotBelieved(t *testing.T) {
	a := Archive{Dir: t.TempDir()}
	if err := a.Save("web", "q", aged("a", "b")); err != nil {
		t.Fatal(err)
	}
	whole, _ := os.ReadFile(a.path("web"))
	for name, tt := range map[string]struct {
		raw  []byte
		want error
	}{
		"empty":     {nil, ErrDamaged},
		"truncated": {whole[:len(whole)/2], ErrDamaged},
		"altered":   {bytes.Replace(whole, []byte("a:80"), []byte("x:80"), 1), ErrDamaged},
		"no format": {bytes.Replace(whole, []byte(`"format":2`), []byte(`"format":0`), 1), ErrDamaged},
		"garbage":   {[]byte("\x00\x01\x02"), ErrDamaged},
		"an array":  {[]byte("[]"), ErrDamaged},
		"no age":    {written(t, 2, 1, archivedBody{"q", named(7, "a")}), ErrDamaged},
		"newer":     {written(t, 9, 8, archivedBody{"q", aged("a")}), ErrNewer},
	} {
		if err := os.WriteFile(a.path("web"), tt.raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := a.Load("web", "q"); !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "web") || len(s.Instances) > 0 {
			t.Errorf("%s: got %+v, %v", name, s, err)
		}
	}
}

// written is a file as a version may write it.
func written(t testing.TB, format, since int, body any) []byte {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	file, err := json.Marshal(archived{format, since, sum(raw), raw})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Versions before and after this one are understood where that is possible.
func TestArchivesOfOtherVersions(t *testing.T) {
	a := Archive{Dir: t.TempDir()}
	for name, raw := range map[string][]byte{
		"the first format": []byte(`{"format":1,"sha256":"` + sum([]byte(firstBody)) + `","body":` + firstBody + `}`),
		"one to come":      written(t, 9, 2, map[string]any{"Question": "q", "Unheard": 1, "Snapshot": map[string]any{"At": time.Now(), "Instances": []any{map[string]any{"ID": "a", "Address": "a:80", "Colour": "red"}}}}),
		"a doubted one":    written(t, 3, 1, archivedBody{"q", Quarantine(aged("a"), aged(), "x")}),
	} {
		if err := os.WriteFile(a.path("web"), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := a.Load("web", "q")
		if err != nil || len(s.Instances) != 1 || s.Instances[0].Address != "a:80" || s.Instances[0].Weight != 1 || s.Instances[0].Declared.Status == health.Missing {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// firstBody is what a version of format 1 wrote.
const firstBody = `{"Question":"q","Snapshot":{"Index":7,"At":"2026-01-01T00:00:00Z","Instances":[{"ID":"a","Address":"a:80","Weight":1,"Zone":"","Metadata":null,"Declared":{"Status":1,"Check":"","Output":"","WarningWeight":0}}],"Skipped":null}}`

// A doubted snapshot does not take the place of one that was believed.
func TestDoubtedSnapshotsAreNotKept(t *testing.T) {
	a := Archive{Dir: t.TempDir()}
	if err := errors.Join(a.Save("web", "q", aged("a")), a.Save("web", "q", Quarantine(aged("a"), aged(), "gone"))); err != nil {
		t.Fatal(err)
	}
	if s, err := a.Load("web", "q"); err != nil || len(s.Instances) != 1 || s.Instances[0].Declared.Status != health.Undeclared {
		t.Errorf("%+v, %v", s, err)
	}
}

// A disk that is full or may not be written to costs nothing but the new file.
func TestArchivesThatCannotBeWritten(t *testing.T) {
	a := Archive{Dir: t.TempDir()}
	if err := a.Save("web", "q", aged("a")); err != nil {
		t.Fatal(err)
	}
	file := Archive{Dir: a.path("web")}
	if err := file.Save("web", "q", aged("b")); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a directory that is a file: %v", err)
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		full := a
		full.create = func(dir, _ string) (*os.File, error) {
			link := filepath.Join(dir, "full")
			if err := os.Symlink("/dev/full", link); err != nil {
				return nil, err
			}
			return os.OpenFile(link, os.O_WRONLY, 0)
		}
		if err := full.Save("web", "q", aged("b")); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("a full disk: %v", err)
		}
	}
	if os.Getuid() > 0 {
		if err := os.Chmod(a.Dir, 0o500); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(a.Dir, 0o700)
		if err := a.Save("web", "q", aged("b")); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("a directory that may not be written to: %v", err)
		}
	}
	if s, err := a.Load("web", "q"); err != nil || s.Instances[0].ID != "a" {
		t.Errorf("what was kept before: %+v, %v", s, err)
	}
	if entries, _ := os.ReadDir(a.Dir); len(entries) != 1 {
		t.Errorf("there are %d files", len(entries))
	}
}

// Whatever the file holds, what is loaded is of use, and behind the checksum
// too.
func FuzzArchive(f *testing.F) {
	a := Archive{Dir: f.TempDir()}
	if err := a.Save("web", "q", aged("a", "b")); err != nil {
		f.Fatal(err)
	}
	whole, _ := os.ReadFile(a.path("web"))
	f.Add(whole, false)
	f.Add([]byte(`{"format":1,"sha256":"","body":{}}`), false)
	f.Add([]byte(firstBody), true)
	f.Add([]byte(`{"Question":"q","Snapshot":{"At":"2026-01-01T00:00:00Z","Instances":[{"ID":"a","Address":"x","Weight":-1,"Priority":-1,"Declared":{"Status":6}},{"ID":"a"}]}}`), true)
	f.Fuzz(func(t *testing.T, raw []byte, sealed bool) {
		a := Archive{Dir: t.TempDir()}
		if sealed && json.Valid(raw) {
			raw = written(t, archiveFormat, archiveSince, json.RawMessage(raw))
		}
		if err := os.WriteFile(a.path("web"), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := a.Load("web", "q")
		if err != nil && (len(s.Instances) > 0 || !s.At.IsZero()) {
			t.Error("damaged, and still of use")
		}
		if err == nil && (s.At.IsZero() || s.At.After(time.Now()) || s.Doubt != "") {
			t.Errorf("%+v", s)
		}
		if !slices.IsSortedFunc(s.Instances, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) }) {
			t.Error("not sorted")
		}
		for n, i := range s.Instances {
			if i.ID == "" || i.Address == "" || i.Weight < 1 || i.Priority < 0 || i.Declared.Status == health.Missing || n > 0 && s.Instances[n-1].ID == i.ID {
				t.Errorf("of no use: %+v", i)
			}
		}
	})
}
