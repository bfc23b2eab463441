package secure

import "crypto/tls"

// sessions keeps what handshakes are resumed by. Package tls would keep one
// session for each server name, which all backends may share, while each can
// only resume its own.
type sessions struct{ tls.ClientSessionCache }

// mostSessions bounds the backends whose sessions are kept.
const mostSessions = 1024

func newSessions() sessions { return sessions{tls.NewLRUClientSessionCache(mostSessions)} }

// at is the part of it for one address.
func (s sessions) at(address string) tls.ClientSessionCache { return sessionsAt{s, address} }

type sessionsAt struct {
	all     sessions
	address string
}

// Get implements tls.ClientSessionCache.
func (s sessionsAt) Get(string) (*tls.ClientSessionState, bool) { return s.all.Get(s.address) }

// Put implements tls.ClientSessionCache.
func (s sessionsAt) Put(_ string, state *tls.ClientSessionState) { s.all.Put(s.address, state) }
