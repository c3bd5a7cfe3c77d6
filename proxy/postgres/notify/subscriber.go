package notify

import (
	"sync"

	"overdrive/proxy/postgres/session"
)

// A Subscriber is the place of a session at a Listener. It is made by Listener.Subscribe.
type Subscriber struct {
	listener *Listener
	receiver Receiver
	connect  Connect

	// For the goroutine that attends to the listener alone.
	set    map[*channel]struct{} // of which it is a member
	marker string                // of its turn
	known  bool                  // its listener attends to it
	silent bool                  // it is closed, or was told that the listener is lost

	mu  sync.Mutex // guards the field below
	box mailbox
}

// A mailbox is what a session has yet to take in.
type mailbox struct {
	events []session.Heard
	bytes  int
	posted bool // the session will look
	over   bool // there was too much: nothing more is kept
}

// A Receiver is a session, wherever it lives.
type Receiver struct {
	Post func(func()) bool        // has something run where the session lives
	Hear func(es []session.Heard) // tells the session; called there alone
}

// tell has the session hear of e.
func (s *Subscriber) tell(e session.Heard) {
	if !s.put(e) {
		return
	}
	s.receiver.Post(s.deliver)
}

// put keeps e, and says whether the session must be told to look.
func (s *Subscriber) put(e session.Heard) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.box
	if b.over {
		return false
	}
	if b.bytes += e.Size(); b.bytes > session.MaxHeard {
		b.over, e = true, session.Heard{Kind: session.Overrun}
	}
	b.events = append(b.events, e)
	news, b.posted = !b.posted, true
	return news
}

// deliver has the session hear all that was kept. It runs where the session lives.
func (s *Subscriber) deliver() {
	s.mu.Lock()
	events := s.box.events
	s.box.events, s.box.bytes, s.box.posted = nil, 0, false
	s.mu.Unlock()
	s.receiver.Hear(events)
}

// Prepare and the following are the session's calls: see session.Subscription.
func (s *Subscriber) Prepare(number uint64, channels []string) {
	s.listener.order(order{kind: prepare, from: s, channels: channels, number: number})
}

func (s *Subscriber) Channel() string { return s.listener.channel }

func (s *Subscriber) Marker() string { return nonce() }

func (s *Subscriber) TurnOn(marker string, channels []string) {
	s.listener.order(order{kind: turnOn, from: s, channels: channels, marker: marker})
}

func (s *Subscriber) TurnOff(marker string) {
	s.listener.order(order{kind: turnOff, from: s, marker: marker})
}

func (s *Subscriber) Forget(marker string) {
	s.listener.order(order{kind: forget, from: s, marker: marker})
}

func (s *Subscriber) Round(number uint64) {
	s.listener.order(order{kind: round, from: s, number: number})
}

func (s *Subscriber) Close() { s.listener.order(order{kind: leave, from: s}) }
