package proxy

// verdict is what a request says about the upstream as a whole.
type verdict int

const (
	unjudged verdict = iota // nothing: the client gave up, or nobody was asked
	good
	bad
)

// judged tells how the backends did with a request that ended: badly where they
// gave no answer, or one that says that the fault is theirs.
func judged(r Result, excused bool) verdict {
	switch {
	case r.Cancelled || excused:
		return unjudged
	case r.Error != "":
		return kinds[Kind(r.Error)].verdict
	case r.Status >= 500:
		return bad
	}
	switch r.GRPC { // as gRPC's conventions for telemetry have it
	case 2, 4, 12, 13, 14, 15: // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
		return bad
	}
	return good
}
