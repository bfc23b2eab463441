package discovery

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Archive keeps the last snapshot of each upstream on disk, so that an agent
// can serve before its catalog answers. A file is replaced whole or not at
// all, and one that was damaged is not believed.
type Archive struct {
	Dir string // created where it is missing
}

// archived is a file's content. The sum is over the JSON of Body.
type archived struct {
	Format int             `json:"format"`
	Sum    string          `json:"sha256"`
	Body   json.RawMessage `json:"body"`
}

type archivedBody struct {
	Question string // what was asked, so that another question gets no old answer
	Snapshot Snapshot
}

// archiveFormat changes with what the body means.
const archiveFormat = 1

func (a Archive) path(name string) string { return filepath.Join(a.Dir, name+".snapshot.json") }

// Save keeps a snapshot under a name that is fit for a file's. One that is in
// doubt is not kept: what was believed before it stays.
func (a Archive) Save(name, question string, s Snapshot) error {
	if s.Doubt != "" {
		return nil
	}
	body, err := json.Marshal(archivedBody{question, s})
	if err != nil {
		return fmt.Errorf("snapshot of %q: %w", name, err)
	}
	raw, err := json.Marshal(archived{archiveFormat, sum(body), body})
	if err != nil {
		return fmt.Errorf("snapshot of %q: %w", name, err)
	}
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		return fmt.Errorf("snapshot of %q: %w", name, err)
	}
	if err := replace(a.path(name), append(raw, '\n')); err != nil {
		return fmt.Errorf("snapshot of %q: %w", name, err)
	}
	return nil
}

// replace writes beside the file and renames, so that a reader and a crash see
// the old file or the new.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
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
	}
	return err
}

// Load returns the snapshot kept under name as the answer to question. The
// error is fs.ErrNotExist where none is kept.
func (a Archive) Load(name, question string) (Snapshot, error) {
	raw, err := os.ReadFile(a.path(name))
	if err != nil {
		return Snapshot{}, fmt.Errorf("snapshot of %q: %w", name, err)
	}
	var file archived
	var body archivedBody
	if err := json.Unmarshal(raw, &file); err != nil {
		return Snapshot{}, fmt.Errorf("snapshot of %q: damaged: %w", name, err)
	}
	switch {
	case file.Format != archiveFormat:
		return Snapshot{}, fmt.Errorf("snapshot of %q: its format is %d, this version knows %d", name, file.Format, archiveFormat)
	case file.Sum != sum(file.Body):
		return Snapshot{}, fmt.Errorf("snapshot of %q: damaged: its checksum is wrong", name)
	}
	if err := json.Unmarshal(file.Body, &body); err != nil {
		return Snapshot{}, fmt.Errorf("snapshot of %q: damaged: %w", name, err)
	}
	switch {
	case body.Question != question:
		return Snapshot{}, fmt.Errorf("snapshot of %q: it answers another question", name)
	case body.Snapshot.At.After(time.Now()):
		body.Snapshot.At = time.Now() // the clock was set back; it cannot be newer than now
	}
	return body.Snapshot, nil
}

func sum(b []byte) string {
	digest := sha256.Sum256(b)
	return hex.EncodeToString(digest[:])
}
