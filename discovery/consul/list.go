package consul

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// list cuts the elements out of a JSON list as it comes. It looks for where they
// end and no further, which is several times faster than to understand them:
// whoever has not seen an element before must find out whether it is sound.
type list struct {
	from *bufio.Reader // behind the bracket that opens the list
	text []byte
	any  bool // there was an element
	over bool // the list is closed
}

// listIn finds the list that a text is. It is nil for null.
func listIn(body io.Reader) (*list, error) {
	from := bufio.NewReaderSize(body, 64<<10)
	for {
		switch c, err := from.ReadByte(); {
		case err != nil:
			return nil, err
		case c == ' ', c == '\t', c == '\r', c == '\n':
		case c == '[':
			return &list{from: from}, nil
		default:
			_ = from.UnreadByte()
			var other any
			if err := json.NewDecoder(from).Decode(&other); err != nil || other == nil {
				return nil, err
			}
			return nil, fmt.Errorf("the answer is %.20v, not a list", other)
		}
	}
}

// next returns the text of the next element, which is good until the one after
// it, or io.EOF behind the last. Between two commas there is an empty one.
func (l *list) next() ([]byte, error) {
	if l.over {
		return nil, io.EOF
	}
	l.text = l.text[:0]
	for depth, quoted, escaped := 0, false, false; ; {
		if _, err := l.from.Peek(1); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		chunk, _ := l.from.Peek(l.from.Buffered())
		for i, c := range chunk {
			switch {
			case escaped:
				escaped = false
			case quoted:
				escaped, quoted = c == '\\', c != '"'
			case c == '"':
				quoted = true
			case c == '{', c == '[':
				depth++
			case depth > 0 && (c == '}' || c == ']'):
				depth--
			case depth == 0 && (c == ',' || c == ']'):
				l.take(chunk[:i], i+1)
				text := bytes.Trim(l.text, " \t\r\n")
				if l.over = c == ']'; l.over && !l.any && len(text) == 0 {
					return nil, io.EOF
				}
				l.any = true
				return text, nil
			}
		}
		l.take(chunk, len(chunk))
	}
}

// take moves part of what was read to the text.
func (l *list) take(part []byte, read int) {
	l.text = append(l.text, part...)
	_, _ = l.from.Discard(read)
}
