package traffic

import (
	"sync/atomic"
	"time"
)

// A Vocabulary is what a protocol's counters are called. The lists must not change once a Meter was made of them.
type Vocabulary struct {
	Statuses []string // what the cache made of a statement
	Ends     []string // why a client's connection ended
	Pins     []string // why a session keeps its server connection
}

// A Meter counts what passes for one server user of one database. It is made by NewMeter. Safe for concurrent use.
type Meter struct {
	statuses []string
	lanes    []atomic.Pointer[Lane] // by loop; nil: nothing has passed there
	Logins   atomic.Uint64          // of clients who were let in
	Ends     ByWord
	Pins     ByWord // how often a session began to have a reason
	// ServerErrors and ProxyErrors are those that clients were told, by who raised them.
	ServerErrors, ProxyErrors ByWord
}

// NewMeter returns a Meter for a proxy with so many event loops.
func NewMeter(loops int, v *Vocabulary) *Meter {
	return &Meter{
		statuses: v.Statuses, lanes: make([]atomic.Pointer[Lane], max(loops, 1)),
		Ends: newByWord(v.Ends), Pins: newByWord(v.Pins), ServerErrors: newByWord(classes), ProxyErrors: newByWord(classes),
	}
}

// Lane returns the counters for the i-th loop.
func (m *Meter) Lane(i int) *Lane {
	if l := m.lanes[i].Load(); l != nil {
		return l
	}
	return m.newLane(i)
}

func (m *Meter) newLane(i int) *Lane {
	m.lanes[i].CompareAndSwap(nil, &Lane{Statements: newByWord(m.statuses)})
	return m.lanes[i].Load()
}

// A Lane counts what passes on one loop. Whoever is on the loop counts; anybody may read.
type Lane struct {
	Statements   ByWord        // of clients, by what the cache made of them
	Transactions atomic.Uint64 // ended
	// FromClients and the following are bytes, as the protocol has them: before TLS encrypts them, and after it has decrypted them.
	FromClients, ToClients, FromServers, ToServers atomic.Uint64
	TransactionTime                                atomic.Int64 // nanoseconds, in which a server had a transaction to do or to wait for
	Upstream                                       Times        // a server had a batch to do
	Waits                                          Times        // a client waited for a server connection, however that ended
	Answers                                        [answerers]Times
}

// An Answerer is who has answered a batch of a client: the server, if it has answered any of it.
type Answerer uint8

const (
	ByServer Answerer = iota
	ByCache           // and not by the server
	ByProxy           // alone
	answerers
)

// Counts is a snapshot of what was counted since the proxy began. The lists have the words of the Vocabulary, in its order, and those of errors
// the classes of SQLSTATEs; a list of an empty snapshot may be nil.
type Counts struct {
	Statements   []Count // of clients, by what the cache made of them
	Transactions uint64  // ended

	FromClients, ToClients, FromServers, ToServers uint64 // bytes

	TransactionTime time.Duration // in which a server had a transaction to do or to wait for
	Upstream        Distribution  // of the times in which a server had a batch to do
	Waits           Distribution  // of the times in which a client waited for a server connection
	// Answers are the times from the first byte of a batch to its last answer's being sent, by the Answerer.
	Answers [answerers]Distribution

	Logins                    uint64  // of clients who were let in
	Ends                      []Count // of clients' connections, by reason
	Pins                      []Count // how often a session began to have a reason to keep its server connection
	ServerErrors, ProxyErrors []Count // that clients were told, by class of SQLSTATE
}

// Counts returns what was counted up to now. Counters that go on meanwhile are not of the same moment.
func (m *Meter) Counts() Counts {
	c := Counts{
		Logins: m.Logins.Load(), Ends: m.Ends.addTo(nil), Pins: m.Pins.addTo(nil),
		ServerErrors: m.ServerErrors.addTo(nil), ProxyErrors: m.ProxyErrors.addTo(nil), Statements: make([]Count, len(m.statuses)),
	}
	for i, word := range m.statuses {
		c.Statements[i].Word = word
	}
	for i := range m.lanes {
		if l := m.lanes[i].Load(); l != nil {
			l.addTo(&c)
		}
	}
	return c
}

func (l *Lane) addTo(c *Counts) {
	c.Statements = l.Statements.addTo(c.Statements)
	c.Transactions += l.Transactions.Load()
	c.FromClients += l.FromClients.Load()
	c.ToClients += l.ToClients.Load()
	c.FromServers += l.FromServers.Load()
	c.ToServers += l.ToServers.Load()
	c.TransactionTime += time.Duration(l.TransactionTime.Load())
	l.Upstream.addTo(&c.Upstream)
	l.Waits.addTo(&c.Waits)
	for i := range l.Answers {
		l.Answers[i].addTo(&c.Answers[i])
	}
}

// Add adds another snapshot of the same Vocabulary to c, which may be the zero value.
func (c *Counts) Add(o *Counts) {
	c.Statements = addCounts(c.Statements, o.Statements)
	c.Transactions += o.Transactions
	c.FromClients += o.FromClients
	c.ToClients += o.ToClients
	c.FromServers += o.FromServers
	c.ToServers += o.ToServers
	c.TransactionTime += o.TransactionTime
	c.Upstream.add(&o.Upstream)
	c.Waits.add(&o.Waits)
	for i := range o.Answers {
		c.Answers[i].add(&o.Answers[i])
	}
	c.Logins += o.Logins
	c.Ends = addCounts(c.Ends, o.Ends)
	c.Pins = addCounts(c.Pins, o.Pins)
	c.ServerErrors = addCounts(c.ServerErrors, o.ServerErrors)
	c.ProxyErrors = addCounts(c.ProxyErrors, o.ProxyErrors)
}

// Queries is how many statements there were, whatever the cache made of them.
func (c *Counts) Queries() (n uint64) {
	for _, of := range c.Statements {
		n += of.N
	}
	return n
}
