//go:build !unix

package proxy

import "time"

// processorTime is not known here: one event loop carries everything.
func processorTime() time.Duration { return 0 }
