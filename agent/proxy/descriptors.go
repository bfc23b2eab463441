package proxy

import (
	"errors"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// Descriptors shares the process's file descriptors out among all servers, so
// that some are left for what must go on whatever apps do: the admin listener,
// the connections to Consul, the files of telemetry. Create it with
// NewDescriptors. A nil *Descriptors sets no bounds.
type Descriptors struct {
	// Waits counts how often a server had to wait with accepting a connection,
	// and Refused the connections to backends that were given up again.
	Waits, Refused atomic.Int64

	end    int          // the first descriptor that is not for servers
	places int64        // for connections from apps
	used   atomic.Int64 // of places

	mu    sync.Mutex
	freed chan struct{} // closed when a place is free again
}

// errNoDescriptor says that only the reserve is left.
var errNoDescriptor = errors.New("the file descriptors that are left are a reserve")

// NewDescriptors keeps a reserve of what the system allows the process. Half of
// the rest is for connections from apps, since each may need one to a backend.
// It is nil where the system sets no bound.
func NewDescriptors(reserve int) *Descriptors { return newDescriptors(descriptorLimit(), reserve) }

func newDescriptors(limit uint64, reserve int) *Descriptors {
	if limit == 0 || limit > math.MaxInt32 {
		return nil
	}
	end := int(limit) - min(reserve, int(limit)/2) // of few, not all
	return &Descriptors{end: end, places: int64(max(end/2, 1)), freed: make(chan struct{})}
}

// Places is how many connections from apps there may be at once, give or take
// one for each server; 0 is without a bound.
func (d *Descriptors) Places() int {
	if d == nil {
		return 0
	}
	return int(d.places)
}

// free tells whether there is a place.
func (d *Descriptors) free() bool { return d == nil || d.used.Load() < d.places }

// await waits until there is a place, or for closed. It takes none, so that
// servers to which nobody connects keep none from those that are busy.
func (d *Descriptors) await(closed <-chan struct{}) bool {
	d.Waits.Add(1)
	for {
		d.mu.Lock()
		freed := d.freed
		room := d.free()
		d.mu.Unlock()
		if room {
			return true
		}
		select {
		case <-freed:
		case <-closed:
			return false
		}
	}
}

// take takes a place, and leave gives it back.
func (d *Descriptors) take() {
	if d != nil {
		d.used.Add(1)
	}
}

func (d *Descriptors) leave() {
	if d == nil || d.used.Add(-1) != d.places-1 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.freed)
	d.freed = make(chan struct{})
}

// keep is the outcome of a dial, unless it took a descriptor of the reserve.
// The system gives out the lowest number that is free, so that the number alone
// tells how many are in use.
func (d *Descriptors) keep(conn net.Conn, err error) (net.Conn, error) {
	if d == nil || err != nil || d.numberOf(conn) < d.end {
		return conn, err
	}
	conn.Close()
	d.Refused.Add(1)
	return nil, errNoDescriptor
}

// numberOf is 0 for what has no descriptor.
func (d *Descriptors) numberOf(conn net.Conn) (number int) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { number = int(fd) })
	return number
}
