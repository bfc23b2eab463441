package rewrite

import (
	"errors"
	"strings"

	"github.com/outrigger-sidecar/outrigger/agent/proxy/message"
)

// CheckName tells what is wrong with the name of a field that is to be
// changed; nil where nothing is. What says where a message ends, where it goes
// or what holds for one connection only is the proxy's own business: a rule
// about it would have two readers of a message read it in two ways. A name with
// underscores stands for the one with hyphens, since many a backend makes one
// of both.
func CheckName(name string) error {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !token(r) }) {
		return errors.New("no header is called so")
	}
	switch n := message.NameOf([]byte(strings.ReplaceAll(name, "_", "-"))); {
	case n == message.Host:
		return errors.New("Host says where a request goes, and stays as the app wrote it")
	case n.HopByHop():
		return errors.New(n.String() + " belongs to one connection, and is written anew for the next")
	}
	return nil
}

// token tells what may stand in a name (RFC 9110 section 5.6.2).
func token(r rune) bool {
	return r > ' ' && r < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}
