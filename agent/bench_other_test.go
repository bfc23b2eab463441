//go:build !unix

package agent

import "time"

func processorTime() time.Duration { return 0 }
