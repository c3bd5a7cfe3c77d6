package session

import (
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/querycache"
)

// ID numbers the sessions of a process in the log.
type ID uint64

// A Session is one logged-in client, as a machine without I/O: events come in by the methods that are called On… or
// belong to the holder interface, and everything it does goes out through Peer, Driver and ServerConn. It holds no lock
// across an event, starts no goroutine and reads no clock. It belongs to one loop.
//
// It is kept small: ten thousand idle ones are the normal case.
type Session struct {
	login login
	surroundings
	standing
	srv      *ServerConn // held now, nil between transactions
	endTimer Timer       // see leave

	in      incoming    // what the client has sent and nobody has dealt with
	batch   batch       // what the client has sent since the last Sync
	attempt attempt     // to have the message at hand sent or answered
	delay   delay       // of the message at hand
	params  parameters  // what the client has set
	names   clientNames // of prepared statements and portals
	view    view        // how the client's texts are read
	cache   cacheWishes // what the client has told the cache, and was told of it
	errand  undertaking // of ours, on the server connection that is held
	hears   *hearing    // of what the client listens to; nil: nothing
}

// surroundings are whom a session speaks to. They are set when it begins, but for space, which changes when it moves.
type surroundings struct {
	client   Peer
	driver   Driver
	space    *Workspace // of the loop on which it lives
	identity *Identity
}

// standing is where a session stands as a whole.
type standing struct {
	state    sessionState // changed by enter alone
	pins     pinSet       // changed by pin and unpin
	draining bool         // the proxy is stopping: end at rest
	retrying bool         // a timer will try to release the server again
	begun    begun        // a transaction of which no server knows yet
	// fromCache: the batch at hand has an answer of the cache, and none of the server yet.
	fromCache bool
	timing
}

// incoming is what has come of the client and is still to be dealt with.
//
// Invariant: left is 0 or the Inbox is empty.
type incoming struct {
	pgwire.Inbox
	left   int   // bytes still to come of the message being passed on or dropped
	needs  int32 // with fewer bytes from the client nothing can be made of what it has sent so far
	drops  bool  // what is left is not for the server
	copies bool  // what is left is a part of a copy
	paused bool  // the client is not read, because somebody else must catch up first
}

// An attempt is the way of the message at hand, or of the unit at hand, to the server or to an answer. It goes on while the message
// waits and is taken up again; sent and giveUp end it.
type attempt struct {
	looked    bool  // the cache was asked for what is being sent now
	leased    bool  // the server came for the message at hand: nothing of it has been sent, so a stain is still washed off
	judgeOwes bool  // a verdict is on its way, of this message or one that was given up
	joins     uint8 // how often the message has waited for somebody else's answer; waitOver resets it
	alone     bool  // it must not do so again; the same
	// cancelled is set once the message at hand will not be sent, until what it waits for comes.
	cancelled cancellation
	awaited   *awaited           // the verdict for it
	ticket    *querycache.Ticket // of the wait for somebody else's answer
	fill      *querycache.Fill   // for its answer
	fillTimer Timer              // see watchFill
}

// sent ends the attempt: the message goes out next.
func (a *attempt) sent() { a.looked, a.leased, a.awaited = false, false, nil }

// giveUp ends the attempt: the message will not be sent.
func (a *attempt) giveUp() { a.looked, a.awaited = false, nil }

// Bounds of what a session keeps of its client's bytes.
const (
	// MaxHeld is the largest message that is looked into as a whole. Larger ones pass piece by piece; a text that is
	// not looked into counts as one that may do anything.
	MaxHeld = 256 << 10
	// maxAhead is how much is read ahead while the session waits; reading on lets it notice that its client left.
	maxAhead = 64 << 10
	// maxNameBytes bounds the names of statements and portals; see affords for their number.
	maxNameBytes = 1000
)

// halfCloseGrace is how long a client that closed its sending side may take to read the answers it is still owed. A
// client that is simply gone looks the same, so this is also how long its query may hold a server.
const halfCloseGrace = 10 * time.Second
