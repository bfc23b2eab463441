// Package proc reads what a process and its descendants have cost so far. It
// knows Linux only; elsewhere everything is zero.
package proc

import "time"

// Tree is a process and those it has started, as they were when the tree was
// looked up. The zero Tree is no process, and costs nothing.
type Tree []int

// Usage is what a tree has cost.
type Usage struct {
	CPU      time.Duration // user and system time since each process began
	Resident int64         // bytes in memory now, shared pages once for each process
	Peak     int64         // bytes in memory at most since ResetPeak
}
