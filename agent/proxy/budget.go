package proxy

import (
	"sync"
	"time"
)

// budget bounds retries: a share of the requests, and a few each second on
// top, so that retries help with single failures but cannot multiply the load
// on backends that fail altogether (Finagle's and linkerd's retry budget).
type budget struct {
	percent, perSecond int64

	mu      sync.Mutex
	balance int64 // hundredths of a retry
	filled  time.Time
}

func newBudget(r Retry) *budget {
	b := &budget{percent: int64(r.BudgetPercent), perSecond: int64(r.BudgetPerSecond), filled: time.Now()}
	b.balance = 100 * b.perSecond
	return b
}

// ceiling is what may be saved up: ten seconds' worth, and at least ten
// retries for those who allow a share only.
func (b *budget) ceiling() int64 { return 100 * max(10*b.perSecond, 10) }

// deposit counts a request.
func (b *budget) deposit() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.balance = min(b.balance+b.percent, b.ceiling())
}

// withdraw takes one retry out, if there is one.
func (b *budget) withdraw() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	earned := int64(now.Sub(b.filled)) * b.perSecond / int64(time.Second/100)
	if earned > 0 {
		b.balance, b.filled = min(b.balance+earned, b.ceiling()), now
	}
	if b.balance < 100 {
		return false
	}
	b.balance -= 100
	return true
}

// refund puts a retry back that there was no server for.
func (b *budget) refund() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.balance = min(b.balance+100, b.ceiling())
}
