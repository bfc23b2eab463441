package socket

// maxSlices is how many slices go out with one system call: a head, a body
// and what frames it.
const maxSlices = 4

// outgoing is what is still to be sent. It lies in the connection, so that
// neither a call with several slices nor one that has to wait allocates.
type outgoing struct {
	all   [maxSlices][]byte
	slice []([]byte) // of all, what is not sent
}

// load takes over as many slices as there is room for, and returns the others.
func (o *outgoing) load(bufs [][]byte) (left [][]byte) {
	n := 0
	for len(bufs) > 0 && n < len(o.all) {
		if len(bufs[0]) > 0 {
			o.all[n] = bufs[0]
			n++
		}
		bufs = bufs[1:]
	}
	o.slice = o.all[:n]
	return bufs
}

// sent takes away what went out.
func (o *outgoing) sent(n int) {
	for n > 0 {
		first := o.slice[0]
		if n < len(first) {
			o.slice[0] = first[n:]
			return
		}
		n -= len(first)
		o.slice = o.slice[1:]
	}
}

func (o *outgoing) empty() bool { return len(o.slice) == 0 }

// clear lets go of the caller's memory.
func (o *outgoing) clear() { *o = outgoing{} }
