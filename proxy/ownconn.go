package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"overdrive/pool"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
)

// This file opens the connections over which the proxy asks questions of its own. They are not the pool's, but count within its
// size: each takes a slot, and gives it back as soon as clients need it.

// connectOwn logs in as the origin does for its clients, and then has the session's settings be those that are named, by
// statements which look up no name. They come first: what roles and databases have set holds for nothing that we ask.
//
// They are not part of the login, since such values would stand in the way of those that other logins come with, which
// classify.LoginQuery asks for.
func (o *origin) connectOwn(ctx context.Context, settings string) (*upstream.Conn, error) {
	if o.credential == nil {
		return nil, fmt.Errorf("user %q: %w", o.User, errNoCredential)
	}
	conn, err := o.dialer.Connect(ctx, o.credential)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { conn.NC.Close() })()
	if _, err := conn.Query(settings); err != nil {
		conn.NC.Close()
		return nil, fmt.Errorf("begin a session: %w", err)
	}
	return conn, nil
}

// A slot is a reservation in the pool of an origin.
type slot struct {
	reservation pool.Reservation[*pooledConn]
	pool        *pool.Pool[*pooledConn]
	answer      chan error // the pool's
	held, tight bool

	mu    sync.Mutex
	calls chan struct{} // see wanted; guarded by mu
}

func newSlot() *slot {
	s := &slot{answer: make(chan error, 1), calls: make(chan struct{})}
	s.reservation.Holder = s
	return s
}

// Reserved, Refused and Wanted are the pool's calls.
func (s *slot) Reserved(tight bool) {
	if tight {
		s.answer <- errTight
	} else {
		s.answer <- nil
	}
}

func (s *slot) Refused(err error) { s.answer <- err }

func (s *slot) Wanted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !isClosed(s.calls) {
		close(s.calls)
	}
}

// wanted returns a channel that is closed while the pool wants the slot back: whoever uses it sees that, though others see it, too.
// There is another channel only after this one was closed.
func (s *slot) wanted() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// unwanted forgets what the pool said of the slot before.
func (s *slot) unwanted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isClosed(s.calls) {
		s.calls = make(chan struct{})
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// errTight says that a slot was given for which a client's connection was closed.
var errTight = errors.New("no slot to spare")

// take waits for the slot. If late is closed before it is there, impatient is called.
func (s *slot) take(ctx context.Context, late <-chan struct{}, impatient func()) error {
	if s.held {
		return nil
	}
	s.unwanted()
	s.pool.Reserve(&s.reservation)
	for {
		select {
		case err := <-s.answer:
			s.tight = errors.Is(err, errTight)
			if s.held = err == nil || s.tight; s.held {
				return nil
			}
			return fmt.Errorf("wait for a server connection: %w", err)
		case <-late:
			late = nil
			impatient()
		case <-ctx.Done():
			if !s.pool.CancelReserve(&s.reservation) {
				if err := <-s.answer; err == nil || errors.Is(err, errTight) {
					s.pool.Unreserve(&s.reservation)
				}
			}
			return fmt.Errorf("wait for a server connection: %w", ctx.Err())
		}
	}
}

// giveBack returns the slot. No connection may be open that counts for it.
func (s *slot) giveBack() {
	if s.held {
		s.held = false
		s.pool.Unreserve(&s.reservation)
	}
	s.unwanted()
}

// errNeeded says that a connection of our own was closed because clients waited for its slot.
var errNeeded = errors.New("clients wait for the connection")

// lend opens a connection that has what every login has, but can write nothing, for as long as use takes. It has the keeper's slot,
// so it is closed soon where clients wait for that.
func (k *catalogKeeper) lend(ctx context.Context, use func(*upstream.Conn) error) error {
	if err := k.begin(ctx); err != nil {
		return err
	}
	defer k.finish()
	k.hangUp()
	defer k.hangUp()
	err := k.takeSlot(ctx)
	if len(k.aside) > 0 { // it took long, and nobody could look meanwhile
		k.origin.askCatalog()
	}
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan struct{})
	yielding := make(chan bool, 1)
	go func() { yielding <- k.yield(over, stop) }()
	err = k.with(ctx, use)
	close(over)
	if wanted := <-yielding; wanted && err != nil {
		k.grace.double()
		return fmt.Errorf("%w: %w", errNeeded, err)
	}
	return err
}

// with is lend where the slot is held.
func (k *catalogKeeper) with(ctx context.Context, use func(*upstream.Conn) error) error {
	conn, err := k.origin.connectOwn(ctx, classify.PlainSettings)
	if err != nil {
		return err
	}
	defer conn.Close(catalogBye)
	k.asked.Store(conn)
	defer k.asked.Store(nil)
	defer context.AfterFunc(ctx, func() { conn.NC.Close() })()
	return use(conn)
}
