package http2

// What a peer may do that costs us something and brings nothing. Each is far
// above what any sound one does.
const (
	maxIdleFrames = 4096 // frames that bring nothing, beyond those that others make up for
	maxRapid      = 1000 // streams that it opened and broke off, beyond those that it let end
)

// unproductive counts a frame that brings nothing: a peer that sends those
// alone is attacking. What it sends beside its requests, such as the PINGs by
// which some measure the line, is made up for by these.
func (c *conn) unproductive() error {
	if c.idle++; c.idle > maxIdleFrames {
		return fault(EnhanceYourCalm, "too many frames that bring nothing")
	}
	return nil
}

// unread tells of a peer that sends what has to be answered, and does not read
// the answers.
func (c *conn) unread() error {
	if c.out.urgent > maxUrgent {
		return fault(EnhanceYourCalm, "%d bytes of answers are not read", c.out.urgent)
	}
	return nil
}

// productive counts a frame, of the peer or of ours, that brings something.
func (c *conn) productive() { c.idle = max(0, c.idle-8) }

// rapid counts a stream that came to nothing by the peer's doing.
func (c *conn) rapid() error {
	if c.broken++; c.broken > maxRapid {
		return fault(EnhanceYourCalm, "too many streams opened and broken off")
	}
	return nil
}

// calm forgets as time passes.
func (c *conn) calm() { c.idle, c.broken = c.idle/2, c.broken/2 }
