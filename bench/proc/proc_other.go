//go:build !linux

package proc

import "errors"

// Of would look up a tree.
func Of(int) (Tree, error) { return nil, nil }

// Usage would read it.
func (Tree) Usage() (Usage, error) { return Usage{}, nil }

// ResetPeak would begin a new peak.
func (t Tree) ResetPeak() error {
	if len(t) > 0 {
		return errors.ErrUnsupported
	}
	return nil
}
