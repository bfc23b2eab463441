package secure

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Status is how the TLS of an upstream is doing, for people.
type Status struct {
	Generation uint64
	Read       time.Time          // when what is in force was read
	Expires    time.Time          // of the own certificate; zero without one
	Refused    error              // why what is in the files now is not in force; nil if it is
	Failing    map[string]Failing // by address
}

// Failing is a backend with which the last handshake failed.
type Failing struct {
	Err   error
	Since time.Time // that it is for this reason
	late  bool      // it was rejected after the handshake
}

// Status tells how it stands.
func (c *Client) Status() Status {
	m := c.inForce.Load()
	s := Status{Generation: m.generation, Read: m.at, Failing: c.outcomes.all()}
	if m.certificate != nil {
		s.Expires = m.certificate.Leaf.NotAfter
	}
	c.looking.Lock()
	defer c.looking.Unlock()
	if c.files.told {
		s.Refused = c.files.err
	}
	return s
}

// outcomes keeps how the last handshakes went, as far as they failed.
type outcomes struct {
	some    atomic.Bool // there are any: spares the lock where all is well
	mu      sync.Mutex
	failing map[string]Failing
}

func (o *outcomes) all() map[string]Failing {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.failing)
}

func (o *outcomes) failed(c *Client, address string, err *Error, late bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if before, ok := o.failing[address]; ok && before.Err.Error() == err.Error() {
		return
	}
	if o.failing == nil {
		o.failing = make(map[string]Failing)
	}
	o.failing[address] = Failing{Err: err, Since: time.Now(), late: late}
	o.some.Store(true)
	if c.events.Failed != nil {
		c.events.Failed(address, err)
	}
}

// worked takes in a handshake that went well. Where the backend asked for a
// certificate it may still reject it, so that a rejection stands until it has
// brought something.
func (o *outcomes) worked(c *Client, address string, asked bool) {
	if !o.some.Load() {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if before, ok := o.failing[address]; !ok || before.late && asked {
		return
	}
	o.drop(address)
	if c.events.Recovered != nil {
		c.events.Recovered(address)
	}
}

func (o *outcomes) forget(address string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(address)
}

func (o *outcomes) drop(address string) {
	delete(o.failing, address)
	o.some.Store(len(o.failing) > 0)
}
