package consul

import (
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// entries take the place of the library's reading of an answer. It would keep
// the whole text until its end and make everything of it anew, which for ten
// thousand instances is a hundred megabytes each time that one of them changes.
// Here each entry is read as it comes, and one that says what it said in the
// last answer, as nearly all do, is what it was. The library is left an empty
// list, or null as it came.
type entries struct {
	query   Query
	memory  *memory
	arrived time.Time // when the answer began
	found   []*reading
}

type entriesKey struct{}

// taking has the answer to a request under ctx go to e.
func (e *entries) taking(ctx context.Context) context.Context {
	return context.WithValue(ctx, entriesKey{}, e)
}

// intercept is told of each answer that arrives.
func intercept(req *http.Request, resp *http.Response) {
	if e, ok := req.Context().Value(entriesKey{}).(*entries); ok && resp.StatusCode == http.StatusOK {
		e.arrived = time.Now()
		resp.Body = &entriesBody{ReadCloser: resp.Body, entries: e}
	}
}

// entriesBody is the body of an answer whose entries are taken out.
type entriesBody struct {
	io.ReadCloser
	entries *entries
	rest    *strings.Reader // nil before the first Read
	err     error
}

func (b *entriesBody) Read(p []byte) (int, error) {
	if b.rest == nil {
		var left string
		left, b.err = b.entries.take(b.ReadCloser)
		b.rest = strings.NewReader(left)
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.rest.Read(p)
}

// take reads the entries of an answer, and returns what it is without them.
func (e *entries) take(body io.Reader) (left string, err error) {
	all, err := listIn(body)
	if all == nil {
		return "null", err
	}
	last, ignored := e.memory.last, e.query.ignored()
	next := make(remembered, len(last))
	e.found = make([]*reading, 0, len(last))
	for {
		text, err := all.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		key := e.memory.key(text)
		r, ok := last[key]
		if !ok {
			var entry *api.ServiceEntry
			if err := json.Unmarshal(text, &entry); err != nil {
				return "", err
			}
			r = readingOf(entry, e.query, ignored)
		}
		next[key] = r
		e.found = append(e.found, r)
	}
	e.memory.last = next
	_, err = io.Copy(io.Discard, body) // to the end, for the next answer on this connection
	return "[]", err
}

// memory is what the entries of the last answer said. It is used by one query
// at a time.
type memory struct {
	seeds [2]maphash.Seed
	last  remembered
}

// remembered are entries by their texts, of which two hashes are kept: that they
// are both the same for two texts is not to be expected in the life of a
// universe.
type remembered map[[2]uint64]*reading

func newMemory() *memory {
	return &memory{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

func (m *memory) key(text []byte) [2]uint64 {
	return [2]uint64{maphash.Bytes(m.seeds[0], text), maphash.Bytes(m.seeds[1], text)}
}
