package session

// This file is what a session needs of the connection that listens in its place, the listener.

// A Subscription is a session's place at the listener of its database. What becomes of each call is told by Session.Hear, in the order of
// the calls and of the notifications. All methods are called on the session's loop, and do not block.
type Subscription interface {
	// Channel is that of markers, and Marker a new one. Neither needs quotes.
	Channel() string
	Marker() string
	// Prepare has the listener listen to the channels as well, though the session does not hear of them yet: Prepared or Refused, with
	// the number.
	Prepare(number uint64, channels []string)
	// TurnOn has the session hear of these channels, and no others, from the marker on, and TurnOff of none: Turned. It comes before the
	// marker is sent.
	TurnOn(marker string, channels []string)
	TurnOff(marker string)
	// Forget takes TurnOn or TurnOff back: the marker never comes, since its transaction was rolled back.
	Forget(marker string)
	// Round tells when the listener has taken in all that was committed before the call: Passed, with the number.
	Round(number uint64)
	// Close ends the subscription. Nothing more is told.
	Close()
}

// NoticeChannelPrefix begins the names of the channels on which markers are sent. Clients do not hear of them.
const NoticeChannelPrefix = "_overdrive_"

// A HeardKind is what a Heard tells.
type HeardKind uint8

const (
	Notified HeardKind = iota // a notification
	Prepared                  // the listener listens to all that it was asked to
	Refused                   // it cannot, as Text says; it listens to what it did before
	Turned                    // the marker in Text has come
	Passed                    // the round with the number is over
	Overrun                   // so much has come that the session did not take in that the listener has given it up
	Unheard                   // the listener is lost, as Text says: nothing more comes
)

// A Heard is one thing that the listener tells a session.
type Heard struct {
	Kind   HeardKind
	PID    uint32 // of the backend that notified
	Sender uint32 // the PID, for clients, of the session that used the backend last; 0: not known
	Text   string
	Number uint64 // of a round, or of Prepare
	// Tail is what a NotificationResponse has behind the PID: channel and payload, each with its zero byte. It never changes.
	Tail []byte
}

// MaxHeard bounds what is kept for a session of notifications that its client cannot be told yet. It is no less than what comes at once where
// somebody notifies much, since nobody can be asked to wait; channel and payload are shared by all who hear of them.
const MaxHeard = 16 << 20

// Size is what a Heard counts against MaxHeard.
func (h *Heard) Size() int { return perHeard + len(h.Tail) }

const perHeard = 96 // what it takes besides
