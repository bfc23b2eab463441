package proxy

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
// place for it. It is false when closed came first.
func (d *door) await(closed <-chan struct{}) bool {
	if d.own != nil {
		select {
		case d.own <- struct{}{}:
		default:
			d.meter.Waits.Add(1)
			select {
			case d.own <- struct{}{}:
			case <-closed:
				return false
			}
		}
	}
	if !d.files.await(closed) {
		d.putBack()
		return false
	}
	return true
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
