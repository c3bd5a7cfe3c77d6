package session

import "fmt"

// sessionState is where a session stands between two bytes of its client.
//
//	greeting ──▶ ready ◀──▶ judging, joined, waiting, settling, stalled
//
//	greeting, ready, settling ──▶ leaving ──▶ gone
//	every state ────────────────────────────▶ gone
//
// Only in ready are messages of the client taken up; in the others they are kept, in bounds, or left in the socket.
type sessionState uint8

const (
	// greeting: authenticated, but the client's startup settings are not known to be valid yet.
	greeting sessionState = iota
	// ready: the next message of the client is taken up at once.
	ready
	// waiting: a message needs a server, and the session stands in the pool's queue.
	waiting
	// judging: the text of a message was never seen before, and its verdict is being worked out.
	judging
	// joined: somebody else is asking the server what a message asks, and the session waits for the answer.
	joined
	// settling: the server leased is being given the client's settings.
	settling
	// stalled: what the next message means depends on replies that are still owed.
	stalled
	// leaving: the client has said goodbye or closed its side, and what it asked for before is still being answered.
	leaving
	// gone: terminal. Every event is ignored.
	gone

	states = iota
)

func (s sessionState) String() string {
	switch s {
	case greeting:
		return "greeting"
	case ready:
		return "ready"
	case waiting:
		return "waiting"
	case judging:
		return "judging"
	case joined:
		return "joined"
	case settling:
		return "settling"
	case stalled:
		return "stalled"
	case leaving:
		return "leaving"
	case gone:
		return "gone"
	}
	return fmt.Sprintf("sessionState(%d)", uint8(s))
}

// successors holds, for each state, the set of states that may follow.
var successors = [states]uint16{
	greeting: 1<<ready | 1<<leaving | 1<<gone,
	ready:    1<<waiting | 1<<judging | 1<<joined | 1<<settling | 1<<stalled | 1<<leaving | 1<<gone,
	waiting:  1<<ready | 1<<gone,
	judging:  1<<ready | 1<<gone,
	joined:   1<<ready | 1<<gone,
	settling: 1<<ready | 1<<leaving | 1<<gone,
	stalled:  1<<ready | 1<<gone,
	leaving:  1 << gone,
	gone:     0,
}

// enter is the only place that changes the state of a session. A step that the table does not have is a fault of ours: it panics, and
// whoever drives the session contains that and ends the session by Fault.
func (s *Session) enter(next sessionState) {
	if successors[s.state]&(1<<next) == 0 {
		panic(fmt.Sprintf("session: a session that is %v cannot become %v", s.state, next))
	}
	s.state = next
}
