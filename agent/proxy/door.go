package proxy

import "github.com/outrigger-sidecar/outrigger/agent/proxy/socket"

// door lets in as many connections from an app as its upstream may have, and
// as the process has descriptors for. More wait at the listener.
type door struct {
	own   chan struct{} // nil: the upstream has no limit
	files *Descriptors
	meter *Meter
}

func newDoor(o Options) door {
	d := door{files: o.Descriptors, meter: o.Meter}
	if o.Limits.MaxConnections > 0 {
		d.own = make(chan struct{}, o.Limits.MaxConnections)
	}
	return d
}

// await waits until one more connection may come, and takes the upstream's
// place for it. It is false when closed came first. home is where it is called.
func (d *door) await(home *socket.Loop, closed <-chan struct{}) bool {
	if d.own != nil {
		select {
		case d.own <- struct{}{}:
		default:
			d.meter.Waits.Add(1)
			came := false
			home.Block(func() {
				select {
				case d.own <- struct{}{}:
					came = true
				case <-closed:
				}
			})
			if !came {
				return false
			}
		}
	}
	if d.files.free() {
		return true
	}
	came := false
	home.Block(func() { came = d.files.await(closed) })
	if !came {
		d.putBack()
	}
	return came
}

// enter is a connection that came, putBack is none, and leave is the end of
// one.
func (d *door) enter() { d.files.take() }

func (d *door) putBack() {
	if d.own != nil {
		<-d.own
	}
}

func (d *door) leave() {
	d.putBack()
	d.files.leave()
}
