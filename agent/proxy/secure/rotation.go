package secure

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"time"
)

// filesEvery is the mean time between two looks at the files. It is spread, so
// that agents which share a disk do not all read at once.
const filesEvery = 5 * time.Second

// Run looks at the files from time to time until ctx ends.
func (c *Client) Run(ctx context.Context) {
	if c.config.CAFile == "" && c.config.CertFile == "" {
		return
	}
	timer := time.NewTimer(pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		c.Look()
		timer.Reset(pause())
	}
}

func pause() time.Duration { return filesEvery*4/5 + rand.N(filesEvery*2/5) }

// refused is what was found in files that cannot be used.
type refused struct {
	sum  [sha256.Size]byte
	err  error // nil: what is there is in force
	told bool
}

// Look reads the files, and puts them in force if they are new and can be used.
// Otherwise what was in force stays so. Files are often written one by one, so
// that their being of no use is told only if it lasts until the next look.
func (c *Client) Look() {
	c.looking.Lock()
	defer c.looking.Unlock()
	before := c.inForce.Load()
	m, err := c.config.read()
	switch {
	case err != nil && c.files.err != nil && c.files.sum == m.sum:
		if !c.files.told && c.events.Refused != nil {
			c.events.Refused(err)
		}
		c.files.told = true
	case err != nil:
		c.files = refused{sum: m.sum, err: err}
	default:
		c.files = refused{}
		if m.sum == before.sum {
			return
		}
		m.generation = before.generation + 1
		c.inForce.Store(m)
		if c.events.Renewed != nil {
			c.events.Renewed()
		}
	}
}
