package discovery

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/outrigger-sidecar/outrigger/lb/health"
)

// Archive keeps the last snapshot of each upstream on disk, so that an agent
// can serve before its catalog answers. A file is replaced whole or not at
// all, and one that was damaged is not believed.
//
// What fails here costs no traffic. Errors wrap those of the system, such as
// fs.ErrPermission, or one of those below.
type Archive struct {
	Dir string // created where it is missing

	create func(dir, pattern string) (*os.File, error) // nil is os.CreateTemp
}

// Why Load cannot use what is kept, beside fs.ErrNotExist where nothing is.
var (
	ErrDamaged  = errors.New("it is damaged")
	ErrNewer    = errors.New("a newer version wrote it, and this one cannot read it")
	ErrQuestion = errors.New("it answers another question")
)

// archived is a file's content. The sum is over the JSON of Body. Fields may be
// added at any time, since those that are unknown are not looked at.
type archived struct {
	Format int             `json:"format"`          // of who wrote it
	Since  int             `json:"since,omitempty"` // the least format whose readers understand it
	Sum    string          `json:"sha256"`
	Body   json.RawMessage `json:"body"`
}

type archivedBody struct {
	Question string // what was asked, so that another question gets no old answer
	Snapshot Snapshot
}

// archiveFormat grows with what the body says, archiveSince only when an old
// reader would take it wrong. Format 2 added the origin and priorities.
const (
	archiveFormat = 2
	archiveSince  = 1
)

// archiveLimit bounds what is read back, in bytes.
const archiveLimit = 256 << 20

func (a Archive) path(name string) string { return filepath.Join(a.Dir, name+".snapshot.json") }

// Save keeps a snapshot under a name that is fit for a file's. One that is in
// doubt is not kept: what was believed before it stays.
func (a Archive) Save(name, question string, s Snapshot) error {
	if s.Doubt != "" {
		return nil
	}
	if err := a.save(name, question, s); err != nil {
		return fmt.Errorf("snapshot of %q: %w", name, err)
	}
	return nil
}

func (a Archive) save(name, question string, s Snapshot) error {
	if name != filepath.Base(name) || !filepath.IsLocal(name) {
		return fmt.Errorf("%q is no name for a file", name)
	}
	body, err := json.Marshal(archivedBody{question, s})
	if err != nil {
		return err
	}
	raw, err := json.Marshal(archived{archiveFormat, archiveSince, sum(body), body})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		return err
	}
	return a.replace(a.path(name), append(raw, '\n'))
}

// replace writes beside the file and renames, so that a reader and a crash see
// the old file or the new.
func (a Archive) replace(path string, content []byte) error {
	create := a.create
	if create == nil {
		create = os.CreateTemp // mode 0600
	}
	f, err := create(a.Dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	return syncDir(a.Dir)
}

// syncDir has the new name of a file survive a loss of power too. Windows
// cannot, and does so itself.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Load returns the snapshot kept under name as the answer to question. Its At
// and Origin tell how old it is and who gave it.
func (a Archive) Load(name, question string) (Snapshot, error) {
	s, err := a.load(name, question)
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot of %q: %w", name, err)
	}
	return s, nil
}

func (a Archive) load(name, question string) (Snapshot, error) {
	f, err := os.Open(a.path(name))
	if err != nil {
		return Snapshot{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, archiveLimit))
	if err != nil {
		return Snapshot{}, err
	}
	var file archived
	var body archivedBody
	if err := json.Unmarshal(raw, &file); err != nil {
		return Snapshot{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	switch {
	case file.Format < 1:
		return Snapshot{}, fmt.Errorf("%w: it has no format", ErrDamaged)
	case file.Format > archiveFormat && (file.Since < 1 || file.Since > archiveFormat):
		return Snapshot{}, fmt.Errorf("%w: its format is %d, this version knows %d", ErrNewer, file.Format, archiveFormat)
	case file.Sum != sum(file.Body):
		return Snapshot{}, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	if err := json.Unmarshal(file.Body, &body); err != nil {
		return Snapshot{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if body.Question != question {
		return Snapshot{}, ErrQuestion
	}
	s := body.Snapshot
	if s.At.IsZero() {
		return Snapshot{}, fmt.Errorf("%w: it does not tell its age", ErrDamaged)
	}
	if now := time.Now(); s.At.After(now) {
		s.At = now // the clock was set back; it cannot be newer than now
	}
	s.Instances, s.Doubt = sound(s.Instances), ""
	return s, nil
}

// sound keeps what of the instances is of use, whoever wrote them.
func sound(instances []Instance) []Instance {
	ids := make(map[string]bool, len(instances))
	out := instances[:0]
	for _, i := range instances {
		if i.ID == "" || i.Address == "" || ids[i.ID] {
			continue
		}
		ids[i.ID] = true
		i.Weight, i.Priority, i.Place = max(1, i.Weight), max(0, i.Priority), max(0, i.Place)
		if i.Declared.Status == health.Missing { // beside what is not kept
			i.Declared.Status = health.Undeclared
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b Instance) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func sum(b []byte) string {
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:])
}
