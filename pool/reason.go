package pool

import "fmt"

// CloseReason says why a connection left the pool.
type CloseReason uint8

const (
	CloseUnspecified CloseReason = iota
	CloseIdle                    // pool: idle for IdleTimeout
	CloseLifetime                // pool: reached its MaxLifetime
	CloseReconnect               // pool: opened before Reconnect
	CloseShrunk                  // pool: Reconfigure lowered the size
	CloseShutdown                // pool: Close
	CloseBroken                  // caller: the other side closed it, or broke the protocol
	CloseDirty                   // caller: could not be made clean again
	CloseAborted                 // caller: its client left in the middle of something
	CloseKilled                  // caller: an administrator said so
	CloseYielded                 // pool: its slot was reserved
	ClosePaused                  // pool: Pause

	closeReasons = iota
)

func (r CloseReason) String() string {
	switch r {
	case CloseUnspecified:
		return "unspecified"
	case CloseIdle:
		return "idle timeout"
	case CloseLifetime:
		return "max lifetime"
	case CloseReconnect:
		return "reconnect"
	case CloseShrunk:
		return "pool shrunk"
	case CloseShutdown:
		return "shutdown"
	case CloseBroken:
		return "broken"
	case CloseDirty:
		return "not clean"
	case CloseAborted:
		return "client left"
	case CloseKilled:
		return "killed"
	case CloseYielded:
		return "slot reserved"
	case ClosePaused:
		return "paused"
	}
	return fmt.Sprintf("CloseReason(%d)", uint8(r))
}
