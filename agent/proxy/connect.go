package proxy

// connect is a connection to the leased server: one that has served before, or
// else, and where it must be fresh, a new one.
func (a *attempt) connect(fresh bool) (backend, *failure) {
	address := a.lease.Server().Address
	if fresh {
		a.http.pool.forget(address) // the server has most likely closed them all
	} else if o := a.http.pool.take(address); o != nil {
		return o, nil
	}
	o, err := a.http.pool.dial(a.context(), address)
	if err != nil {
		if cause := a.stopped(); cause != nil {
			return nil, cause
		}
		return nil, undialled(err)
	}
	return o, nil
}
