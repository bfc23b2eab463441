package http2

import (
	"sync"
	"sync/atomic"
)

type counter = atomic.Int64

var onwards = sync.Pool{New: func() any { return new(onward) }}

// set holds what runs.
type set[T comparable] struct {
	sync.WaitGroup
	mu sync.Mutex
	of map[T]bool
}

func newSet[T comparable]() *set[T] { return &set[T]{of: make(map[T]bool)} }

func (s *set[T]) Add(v T, run func()) {
	s.mu.Lock()
	s.of[v] = true
	s.mu.Unlock()
	s.Go(func() {
		run()
		s.mu.Lock()
		delete(s.of, v)
		s.mu.Unlock()
	})
}

func (s *set[T]) Each(do func(T)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.of {
		do(v)
	}
}
