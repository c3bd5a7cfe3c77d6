package notify

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
)

// Options are what a Listener is given. All fields are required, but for Logger.
type Options struct {
	Database string // for the log
	// Go runs f in a goroutine that the server waits for when it stops.
	Go func(f func())
	// Context ends when the server stops.
	Context context.Context
	// Sender returns the PID, for clients, of the session that used a backend last, or 0.
	Sender func(pid uint32) uint32
	Logger *slog.Logger // nil: nothing is logged
}

// Connect logs in at the database and has the session's settings be those that are named.
type Connect func(ctx context.Context, settings string) (*upstream.Conn, error)

// A Listener listens to the channels of all sessions of a database. It has a connection while there are any. It is made by New. Safe for
// concurrent use.
type Listener struct {
	given   Options
	channel string // of markers

	mu sync.Mutex // guards the fields below
	desk
}

// A desk is where orders lie until somebody attends to them.
type desk struct {
	orders  []order
	attends bool          // somebody does
	wake    chan struct{} // holds one if there are orders
	pause   time.Time     // until when nobody is to log in, since that has just failed
	server  string        // at which the connection is; empty: there is none
}

// An order is what a session asks for.
type order struct {
	kind     orderKind
	from     *Subscriber
	channels []string
	marker   string
	number   uint64
}

type orderKind uint8

const (
	prepare orderKind = iota
	turnOn
	turnOff
	forget
	round
	leave
	abandon // of the listener's owner: the connection is at a server that serves no more
)

// New returns a Listener without a connection.
func New(o Options) *Listener {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Listener{given: o, channel: session.NoticeChannelPrefix + nonce(), desk: desk{wake: make(chan struct{}, 1)}}
}

// nonce is a word that nobody can guess.
func nonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Channel is that of markers. Its name needs no quotes.
func (l *Listener) Channel() string { return l.channel }

// Subscribe returns a place for a session. connect is used if there is no connection.
func (l *Listener) Subscribe(r Receiver, connect Connect) *Subscriber {
	return &Subscriber{listener: l, receiver: r, connect: connect}
}

// retryPause is how long nobody logs in after that has failed.
const retryPause = 5 * time.Second

// order has the listener do something, and has somebody attend to it who was needed for nothing before.
func (l *Listener) order(o order) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.attends:
	case o.kind != prepare: // there is nobody who could be lost
		return
	case time.Now().Before(l.pause) || l.given.Context.Err() != nil:
		o.from.tell(session.Heard{Kind: session.Refused, Number: o.number, Text: "no login, a moment ago"})
		return
	default:
		l.attends = true
		l.given.Go(func() { l.attend(o.from.connect) })
	}
	l.orders = append(l.orders, o)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns the orders that nobody has seen to.
func (l *Listener) take() []order {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.orders
	l.orders = nil
	return taken
}

// done ends the attendance if there are no orders, or if it must.
func (l *Listener) done(must bool) (left []order, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.orders) > 0 && !must {
		return nil, false
	}
	left = l.orders
	l.orders, l.attends, l.server = nil, false, ""
	return left, true
}

// ServedBy tells which server serves the database now. A connection at another one would hear nothing.
func (l *Listener) ServedBy(server string) {
	l.mu.Lock()
	other := l.attends && l.server != "" && l.server != server
	l.mu.Unlock()
	if other {
		l.order(order{kind: abandon})
	}
}

// Connected says whether there is a connection.
func (l *Listener) Connected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.server != ""
}

// connectLimit bounds a login.
const connectLimit = 10 * time.Second

// The listener takes names and payloads as bytes, so that it need not know in which encoding they are.
const listenerSettings = "SET client_encoding = 'SQL_ASCII'; SET standard_conforming_strings = on; SET statement_timeout = 0;" +
	" SET lock_timeout = 0; SET client_min_messages = warning; SET application_name = 'overdrive: listens for sessions';" +
	" SELECT pg_catalog.set_config('idle_session_timeout', '0', false) FROM pg_catalog.pg_settings" +
	" WHERE name OPERATOR(pg_catalog.=) 'idle_session_timeout'; LISTEN "

// attend has a connection, and does what sessions ask for, until nobody does any more or the connection is lost.
func (l *Listener) attend(connect Connect) {
	ctx, stop := context.WithTimeout(l.given.Context, connectLimit)
	conn, err := connect(ctx, listenerSettings+l.channel)
	stop()
	if err != nil {
		l.mu.Lock()
		l.pause = time.Now().Add(retryPause)
		l.mu.Unlock()
		l.given.Logger.Warn("no connection that listens for sessions", "db", l.given.Database, "error", err)
		left, _ := l.done(true)
		for _, o := range left {
			if o.kind == prepare {
				o.from.tell(session.Heard{Kind: session.Refused, Number: o.number, Text: err.Error()})
			}
		}
		return
	}
	l.mu.Lock()
	l.server = conn.Home.Target.Server()
	l.mu.Unlock()
	l.given.Logger.Info("a connection listens for sessions", "db", l.given.Database, "pid", conn.PID)
	newAttendance(l, conn).run()
}
