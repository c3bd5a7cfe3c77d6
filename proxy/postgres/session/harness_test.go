package session

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"overdrive/proxy/loop"
	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache"
	"overdrive/querycache/classify"
)

// A stage is a world without I/O for sessions and server connections: one loop, on which everything happens as events
// that the test causes, one origin, and fewer servers than clients if the test likes.
//
//	testClient ──recorder──▶ session ──▶ fakeBroker, serverConn ──recorder──▶ testServer
//
// After each event the stage takes back what was lent for it, spoils the memory, and checks what must always hold.
type stage struct {
	store       *querycache.Cache // of identity.cache
	identity    *Identity
	space       *Workspace
	broker      *fakeBroker
	clock       time.Duration
	clients     []*testClient
	servers     []*testServer
	sockets     []*recorder
	posts       []func()
	timers      []*fakeTimer
	refreshes   []*Session    // without a client, the newest last
	asks        int           // how often the catalog was to be looked at
	waitTimeout time.Duration // of the pool
	cut         cutter
	chunks      int            // sent so far
	db          map[string]int // if there is one, the servers are models over it
	listener    bool
	orders      []string // that the listener was given
	markers     int
	cancels     func() bool // whether a model cancels what it is asked next; nil: never
	// fail notes what went wrong. It may return.
	fail func(format string, args ...any)
}

// setup says what a stage is like.
type setup struct {
	mode    PoolMode
	servers int  // 0: one
	later   bool // a free server is granted in an event of its own, as if it came from another loop
	unseen  bool // no server has ever been logged in to
	cache   bool // answers are kept
	begins  bool // and transactions are held back

	listener    bool // there is one
	refusesPins bool
	blind       bool // no catalog is known; else the tables are those of testCatalog
	cut         cutter
}

// A cutter cuts the chunk of the given number into the pieces in which it arrives.
type cutter func(chunk int, b []byte) [][]byte

func whole(_ int, b []byte) [][]byte { return [][]byte{b} }

func byteByByte(_ int, b []byte) [][]byte {
	return slices.Collect(slices.Chunk(b, 1))
}

// cutAt cuts one chunk in two.
func cutAt(target, at int) cutter {
	return func(chunk int, b []byte) [][]byte {
		if chunk != target {
			return whole(chunk, b)
		}
		return [][]byte{b[:at], b[at:]}
	}
}

// cutBySeed cuts every chunk into a few random pieces.
func cutBySeed(seed uint64) cutter {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(_ int, b []byte) (pieces [][]byte) {
		for len(b) > 0 {
			n := 1 + r.IntN(len(b))
			if r.IntN(2) == 0 {
				n = 1 + r.IntN(min(len(b), 12))
			}
			pieces = append(pieces, b[:n])
			b = b[n:]
		}
		return pieces
	}
}

// reportedByTest is what the servers of a stage report at login.
var reportedByTest = map[string]string{
	"server_version": "17.0", "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "TimeZone": "UTC",
	"application_name": "", "standard_conforming_strings": "on", "in_hot_standby": "off",
}

func newStage(tb testing.TB, o setup) *stage {
	st := newStageWithout(o)
	st.fail = func(format string, args ...any) {
		tb.Helper()
		tb.Errorf(format, args...)
	}
	return st
}

// newStageWithout makes a stage whose fail is yet to be set.
func newStageWithout(o setup) *stage {
	st := &stage{cut: o.cut, listener: o.listener}
	if st.cut == nil {
		st.cut = whole
	}
	st.space = &Workspace{now: func() time.Time { return time.Unix(1, 0).Add(st.clock) }, chance: func() float64 { return 0.75 }}
	st.broker = &fakeBroker{stage: st, size: max(o.servers, 1), later: o.later}
	st.identity = &Identity{}
	options := IdentityOptions{
		ID: 1, Database: "test", User: "tester", Mode: o.mode, Limits: &Limits{},
		RefusePins: o.refusesPins,
		Interner:   &settings.Interner{}, Watch: st,
	}
	if o.cache {
		options.Cache, options.InTransactions = st.newCache(), o.begins
	}
	options.Limits.Set(16<<20, DefaultMaxPrepared)
	st.identity.Begin(options)
	if !o.unseen {
		st.identity.Introduce(reportedByTest)
	}
	if !o.blind {
		st.learnCatalog()
	}
	return st
}

// Follow, Ask and Changed are the machine's calls: see Watch.
func (st *stage) Follow() {}

func (st *stage) Ask() { st.asks++ }

func (st *stage) Changed(bool) {
	for _, l := range st.identity.EveryLens() {
		l.Classifier.Stale()
	}
}

func (st *stage) Touched(by []*classify.Touch) {
	for _, l := range st.identity.EveryLens() {
		l.Classifier.Doubt(by...)
	}
}

// newCache returns a cache for the identity.
func (st *stage) newCache() *querycache.Database {
	cache := querycache.New(querycache.Options{Poison: true, Now: func() time.Duration { return st.clock }})
	st.store = cache
	return cache.Database("test", querycache.Policy{Enabled: true, MaxAge: time.Minute, MaxResult: 1 << 20})
}

func (st *stage) learnCatalog() {
	c := st.identity.Usual.Classifier
	c.SetCatalog(testCatalog(), c.Generation())
	st.identity.LearnLogin(&classify.Login{SearchPath: "public", Role: "none", Isolation: readCommitted})
}

// testCatalog knows the tables t and t0 to t9, and nothing that would make a read of them unsafe.
var testCatalog = sync.OnceValue(func() *classify.Catalog {
	relation := func(oid int, name string) []string {
		return []string{fmt.Sprint(oid), "public", name, "r", "p", "f", "f", "f", "10", "f"}
	}
	results, err := classify.AskCatalog(func(string) ([][]string, error) { return nil, nil })
	if err != nil {
		panic(err)
	}
	results[0] = [][]string{{"f", "f", "f", "", "f"}}
	results[1] = [][]string{relation(20000, "t")}
	for i := range 10 {
		results[1] = append(results[1], relation(20001+i, fmt.Sprint("t", i)))
	}
	results[5] = [][]string{{"870", "lower", "pg_catalog", "t", "1", "1", "i", "25", "", "f", "", "25"}}
	results[9] = [][]string{{"25", "pg_catalog", "text", "t", "f"}, {"23", "pg_catalog", "int4", "t", "f"}}
	all, err := classify.NewInventory(results)
	if err != nil {
		panic(err)
	}
	c, _ := all.Seen("public", &classify.Rights{Role: "tester", Usage: map[string]bool{"public": true}})
	return c
})

// A fakeTimer is one that the test lets run out.
type fakeTimer struct {
	after   time.Duration
	f       func()
	stopped bool
}

func (t *fakeTimer) Stop() bool {
	was := !t.stopped
	t.stopped = true
	return was
}

func (st *stage) alarm(d time.Duration, f func()) Timer {
	t := &fakeTimer{after: d, f: f}
	st.timers = append(st.timers, t)
	return t
}

// runTimers has every timer run out that is set.
func (st *stage) runTimers() {
	timers := st.timers
	st.timers = nil
	for _, t := range timers {
		if !t.stopped {
			t.stopped = true
			st.event(func() { st.space.scratch.reset(); t.f() })
		}
	}
	st.settle()
}

// post has f run as an event of its own.
func (st *stage) post(f func()) bool {
	st.posts = append(st.posts, f)
	return true
}

// event runs f as one event of the loop.
func (st *stage) event(f func()) {
	f()
	for _, r := range st.sockets {
		r.endEvent()
	}
	spoil(st.space.scratch.buf)
	st.check()
}

// spoil overwrites memory whose loan has ended.
func spoil(b []byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = 0xAA
	}
}

// settle lets everything happen that needs no more of the test.
func (st *stage) settle() {
	st.settleBy(func(int) int { return 0 })
}

// maxSteps is more than any test takes to come to rest.
const maxSteps = 200000

func (st *stage) settleBy(choose func(n int) int) {
	for range maxSteps {
		if !st.step(choose) {
			return
		}
	}
	st.fail("the stage does not come to rest")
}

// step lets one thing happen that choose picks among n, and reports whether there was one.
func (st *stage) step(choose func(n int) int) bool {
	if len(st.posts) > 0 { // the loop runs them before it looks at any socket
		f := st.posts[0]
		st.posts = st.posts[1:]
		st.event(f)
		return true
	}
	var able []func()
	for _, r := range st.sockets {
		if r.able() {
			able = append(able, r.deliver)
		}
	}
	for _, v := range st.servers {
		if v.model != nil && len(v.peer.got) > 0 {
			able = append(able, func() { v.think(choose) })
		}
	}
	if len(able) == 0 {
		return false
	}
	able[choose(len(able))]()
	return true
}

// check asserts what must hold after every event.
func (st *stage) check() {
	held := map[*ServerConn]*testClient{}
	for _, c := range st.clients {
		s := c.session
		switch {
		case s.state == gone && s.srv != nil:
			st.fail("%s is gone and still holds a server", c.name)
		case s.state == gone && !c.ended:
			st.fail("%s is gone and the broker was not told", c.name)
		case s.srv != nil && s.srv.holder != holder(s):
			st.fail("%s holds a server that is held by %T", c.name, s.srv.holder)
		case s.srv != nil && held[s.srv] != nil:
			st.fail("%s and %s hold one server", c.name, held[s.srv].name)
		case s.state == waiting && !st.broker.awaited(s):
			st.fail("%s waits for nothing", c.name)
		case s.in.Len() > MaxHeld+maxAhead+64<<10:
			st.fail("%s has %d bytes kept", c.name, s.in.Len())
		}
		if s.srv != nil {
			held[s.srv] = c
		}
	}
	for _, v := range st.servers {
		v.check(st)
	}
}

// A recorder is a socket: what one side of the proxy writes to it, and what the peer behind it sends.
type recorder struct {
	stage   *stage
	name    string
	handler loop.Handler
	lent    []loan
	borrows []borrow // what was lent until the peer has it
	got     []byte   // what has arrived at the peer
	pending []byte   // what the peer has not taken yet
	stuck   bool     // the peer does not read
	high    int      // Congested above it
	owes    bool     // OnDrained
	paused  bool
	closed  bool // by the proxy, after the last byte or not
	// discarded: the pool closed the connection. Its socket learns it a moment later.
	discarded bool
	sent      [][]byte // by the peer, and not delivered yet
	eof       bool     // the peer sends no more
	broken    error    // the peer is gone
}

// A loan is memory that was written from, and how it looked then.
type loan struct{ live, copied []byte }

// A borrow is a loan that is to be given back.
type borrow struct {
	loan
	of loop.Releaser
}

const testHighWater = 64 << 10

// readSize is the most that a loop delivers at once.
const readSize = 64 << 10

func (st *stage) socket(name string, h loop.Handler) *recorder {
	r := &recorder{stage: st, name: name, handler: h, high: testHighWater}
	st.sockets = append(st.sockets, r)
	return r
}

func (r *recorder) Write(b []byte) {
	if len(b) > 0 && !r.closed {
		r.lent = append(r.lent, loan{b, bytes.Clone(b)})
		r.owes = r.owes || r.Congested()
	}
}

func (r *recorder) WriteShared(b []byte, of loop.Releaser) {
	switch {
	case !r.closed:
		r.borrows = append(r.borrows, borrow{loan{b, bytes.Clone(b)}, of})
		r.Write(b)
	case of != nil:
		of.Release()
	}
}

// giveBack ends all loans, and checks that nobody has written there meanwhile.
func (r *recorder) giveBack() {
	for _, b := range r.borrows {
		if !bytes.Equal(b.live, b.copied) {
			r.stage.fail("what was lent to %s changed before it was given back", r.name)
		}
	}
	for _, b := range r.borrows {
		if b.of != nil {
			b.of.Release()
		}
	}
	r.borrows = nil
}

func (r *recorder) Pending() int {
	n := len(r.pending)
	for _, l := range r.lent {
		n += len(l.live)
	}
	return n
}

func (r *recorder) Congested() bool  { return r.Pending() > r.high }
func (r *recorder) PauseRead()       { r.paused = true }
func (r *recorder) ResumeRead()      { r.paused = false }
func (r *recorder) CloseAfterFlush() { r.closed = true }

func (r *recorder) Close() {
	r.closed = true
	r.lent = nil
	r.giveBack()
}

// endEvent takes what was written over, and checks that nobody changed it meanwhile.
func (r *recorder) endEvent() {
	for _, l := range r.lent {
		if !bytes.Equal(l.live, l.copied) {
			r.stage.fail("what was written to %s changed before the event was over: %q, now %q", r.name, l.copied, l.live)
		}
	}
	for _, l := range r.lent {
		r.pending = append(r.pending, l.live...)
	}
	r.lent = nil
	if !r.stuck {
		r.flush()
	}
	if r.discarded {
		r.closed = true
	}
}

func (r *recorder) flush() {
	r.got = append(r.got, r.pending...)
	r.pending = nil
	r.giveBack()
	if r.owes && !r.closed {
		r.owes = false
		r.stage.post(func() {
			if !r.closed {
				r.handler.OnDrained()
			}
		})
	}
}

// unstick has the peer read all that waits for it.
func (r *recorder) unstick() {
	r.stuck = false
	r.flush()
	r.stage.settle()
}

// send has the peer send bytes, in pieces.
func (r *recorder) send(b []byte) {
	pieces := r.stage.cut(r.stage.chunks, b)
	r.stage.chunks++
	for _, p := range pieces {
		r.sent = slices.AppendSeq(r.sent, slices.Chunk(p, readSize))
	}
}

// able says whether something of the peer can be delivered now.
func (r *recorder) able() bool {
	return !r.closed && (r.broken != nil || !r.paused && (len(r.sent) > 0 || r.eof))
}

// deliver delivers the next thing.
func (r *recorder) deliver() {
	st := r.stage
	switch {
	case r.broken != nil && (r.paused || len(r.sent) == 0):
		err := r.broken
		r.broken, r.sent, r.eof = nil, nil, false
		r.giveBack()
		st.event(func() { r.handler.OnError(err) })
		r.closed = true
	case len(r.sent) > 0:
		b := bytes.Clone(r.sent[0])
		r.sent = r.sent[1:]
		st.event(func() { r.handler.OnData(b) })
		spoil(b)
	case r.eof:
		r.eof = false
		st.event(r.handler.OnEOF)
	}
}

// testClient is the application's side of a session.
type testClient struct {
	name    string
	session *Session
	driver  *fakeDriver
	peer    *recorder
	ended   bool
	why     Reason
	err     error
}

// connect lets a client in, with the settings of its startup packet, and discards the greeting.
func (st *stage) connect(name string, raw ...settings.Setting) *testClient {
	c := st.arrive(name, raw...)
	st.settle()
	c.peer.got = nil
	return c
}

// arrive lets a client in.
func (st *stage) arrive(name string, raw ...settings.Setting) *testClient {
	s := new(Session)
	d := &fakeDriver{st, s}
	s.Begin(d, ID(len(st.clients)+1), st.identity, "tester", &Entry{raw: raw})
	c := &testClient{name: name, session: s, driver: d}
	c.peer = st.socket(name, s)
	st.clients = append(st.clients, c)
	st.event(func() { s.Start(c.peer, st.space) })
	return c
}

// sends has the client send messages, and everything happen that follows.
func (c *testClient) sends(messages ...[]byte) {
	c.peer.send(slices.Concat(messages...))
	c.peer.stage.settle()
}

// testServer is PostgreSQL's side of a server connection.
type testServer struct {
	stage  *stage
	name   string
	conn   *ServerConn
	peer   *recorder
	model  *modelServer
	pooled bool
	gone   bool
}

// think has the model take some of what has arrived, and answer.
func (v *testServer) think(choose func(n int) int) {
	n := len(v.peer.got) - choose(len(v.peer.got))
	if out := v.model.takes(v.peer.got[:n]); len(out) > 0 {
		v.peer.send(out)
	}
	v.peer.got = v.peer.got[n:]
	v.peer.eof = v.peer.eof || v.model.closed
}

func (v *testServer) sends(messages ...[]byte) {
	v.peer.send(slices.Concat(messages...))
	v.peer.stage.settle()
}

func (v *testServer) check(st *stage) {
	c := v.conn
	if c.in.Len() > maxHeldReply+64<<10 {
		st.fail("%s has %d bytes kept", v.name, c.in.Len())
	}
	if !v.pooled {
		return
	}
	switch {
	case c.holder != nil:
		st.fail("%s is in the pool and held by %T", v.name, c.holder)
	case c.owed.len() > 0:
		st.fail("%s is in the pool and owes %d replies", v.name, c.owed.len())
	case c.status != pgwire.TxIdle:
		st.fail("%s is in the pool with transaction status %c", v.name, c.status)
	case c.copying.in || c.copying.earlySyncs > 0 || c.trouble.discarding || c.trouble.doubtful || c.trouble.dying:
		st.fail("%s is in the pool and not at rest: copyIn %v, earlySyncs %d, discarding %v, doubtful %v, dying %v",
			v.name, c.copying.in, c.copying.earlySyncs, c.trouble.discarding, c.trouble.doubtful, c.trouble.dying)
	case c.hasStrays():
		st.fail("%s is in the pool with stray statements %q", v.name, c.strayNames())
	case v.model != nil && v.unknown() != "":
		st.fail("%s is in the pool, and of its statements %s", v.name, v.unknown())
	case len(c.marks.open) > 0:
		st.fail("%s is in the pool with %d marks of writes", v.name, len(c.marks.open))
	case c.cancelling.underWay > 0:
		st.fail("%s is in the pool with a cancel request on its way", v.name)
	}
}

// A fakeBroker is a pool in one event loop, first come, first served.
type fakeBroker struct {
	stage   *stage
	size    int
	later   bool
	prefer  string        // the server to hand out next
	queue   []*Session    // waiting
	coming  []*Session    // granted, and not told yet
	cancels []*testCancel // under way
	// cancelled lists the servers that a cancel request was sent to, in order.
	cancelled []string
	refreshed ID
}

// A testCancel is a cancel request on its way.
type testCancel struct {
	conn *ServerConn
	done func()
}

func (b *fakeBroker) awaited(s *Session) bool {
	return slices.Contains(b.queue, s) || slices.Contains(b.coming, s)
}

// A fakeDriver runs a session on a stage.
type fakeDriver struct {
	stage   *stage
	session *Session
}

func (d *fakeDriver) Post(f func()) bool { return d.stage.post(f) }

func (d *fakeDriver) After(after time.Duration, f func()) Timer { return d.stage.alarm(after, f) }

func (d *fakeDriver) Judge(l *Lens, text []byte) {
	text = slices.Clone(text)
	v := l.Classifier.Judge(text)
	d.stage.post(func() { d.session.Judged(text, v) })
}

func (d *fakeDriver) Refresh(fill *querycache.Fill, message []byte) {
	st := d.stage
	r := &Session{}
	st.refreshes = append(st.refreshes, r)
	st.broker.refreshed++ // counts from far above the clients
	r.StartRefresh(&fakeDriver{st, r}, 1000000+st.broker.refreshed, d.session, fill, message)
}

func (d *fakeDriver) Misunderstood([]string) {}

func (d *fakeDriver) Prefer(ServerDriver) {}

func (d *fakeDriver) Subscribe() Subscription { return d.stage.subscribe(d.session) }

func (d *fakeDriver) Sender(uint32) uint32 { return 0 }

func (d *fakeDriver) Key() CancelKey { return CancelKey{uint32(d.session.ID()), 4711} }

func (d *fakeDriver) Acquire(time.Time, bool) *ServerConn { return d.stage.broker.acquire(d.session) }

func (d *fakeDriver) Abandon() bool { return d.stage.broker.abandon(d.session) }

func (d *fakeDriver) WaitTimeout() time.Duration { return d.stage.waitTimeout }

func (d *fakeDriver) Ended(why Reason, err error) { d.stage.broker.ended(d.session, why, err) }

func (b *fakeBroker) acquire(s *Session) *ServerConn {
	if b.awaited(s) {
		b.stage.fail("a session asks for a second server while it waits for the first")
	}
	v := b.free()
	switch {
	case v == nil:
		b.queue = append(b.queue, s)
		return nil
	case b.later:
		b.grant(v, s)
		return nil
	}
	return v.conn
}

// free takes a server out of the pool, or makes one, or returns nil.
func (b *fakeBroker) free() *testServer {
	alive := 0
	for _, v := range b.stage.servers {
		if !v.gone {
			alive++
		}
		if v.pooled && (b.prefer == "" || v.name == b.prefer) {
			v.pooled, b.prefer = false, ""
			return v
		}
	}
	if alive >= b.size {
		return nil
	}
	return b.newServer()
}

func (b *fakeBroker) newServer() *testServer {
	st := b.stage
	name := "server"
	if n := len(st.servers); n > 0 {
		name = fmt.Sprint("server", n+1)
	}
	c := &ServerConn{space: st.space}
	v := &testServer{name: name, conn: c, stage: st}
	c.Begin(v, st.identity, Backend{PID: uint32(len(st.servers) + 1), Login: time.Now()}, reportedByTest)
	v.peer = st.socket(name, c)
	c.peer = v.peer
	if st.db != nil {
		v.model = newModelServer(st.db)
		v.model.cancels = func() bool { return st.cancels != nil && st.cancels() }
	}
	st.servers = append(st.servers, v)
	return v
}

func (b *fakeBroker) grant(v *testServer, s *Session) {
	b.coming = append(b.coming, s)
	b.stage.post(func() {
		b.coming = slices.DeleteFunc(b.coming, func(o *Session) bool { return o == s })
		if v.gone { // it broke on its way
			s.TryAgain()
			return
		}
		s.Granted(v.conn)
	})
}

func (b *fakeBroker) abandon(s *Session) bool {
	i := slices.Index(b.queue, s)
	if i < 0 {
		return false
	}
	b.queue = slices.Delete(b.queue, i, i+1)
	return true
}

// serve gives free servers to those who wait.
func (b *fakeBroker) serve() {
	for len(b.queue) > 0 {
		v := b.free()
		if v == nil {
			return
		}
		s := b.queue[0]
		b.queue = b.queue[1:]
		b.grant(v, s)
	}
}

// After and the following are the machine's calls: see ServerDriver.
func (v *testServer) After(d time.Duration, f func()) Timer { return v.stage.alarm(d, f) }

func (v *testServer) Release() {
	switch {
	case v.conn.holder != nil:
		v.stage.fail("%s was released and still has a holder", v.name)
	case v.pooled || v.gone:
		v.stage.fail("%s was released, and was not leased", v.name)
	case v.peer.paused:
		v.stage.fail("%s was released and is not read", v.name)
	}
	v.pooled = true
	v.stage.broker.serve()
}

func (v *testServer) Speaks(uint32) {}

func (v *testServer) BeginReset() {
	if v.pooled || v.gone {
		v.stage.fail("%s is to be cleaned, and is not leased", v.name)
	}
}

func (v *testServer) Discard(Unfitness) {
	if v.pooled || v.gone {
		v.stage.fail("%s was discarded, and is not leased", v.name)
	}
	v.peer.discarded, v.gone = true, true
	v.stage.broker.serve()
}

func (v *testServer) Dropped(held bool) {
	if held && v.pooled {
		v.stage.fail("%s is lost, and was both held and pooled", v.name)
	}
	v.gone, v.pooled = true, false
	v.stage.broker.serve()
}

func (v *testServer) Cancel(done func()) {
	b := v.stage.broker
	if v.pooled || v.gone {
		b.stage.fail("a cancel request for %s, which is not leased", v.name)
	}
	b.cancelled = append(b.cancelled, v.name)
	b.cancels = append(b.cancels, &testCancel{v.conn, done})
}

// cleaning says whether the server's client is gone, and the server is brought to rest.
func (v *testServer) cleaning() bool {
	switch v.conn.holder.(type) {
	case *cleaner, *finisher:
		return true
	}
	return false
}

// cancelArrives ends the oldest cancel request.
func (b *fakeBroker) cancelArrives(err error) {
	r := b.cancels[0]
	b.cancels = b.cancels[1:]
	r.done()
	b.stage.event(func() { r.conn.Cancelled(err) })
	b.stage.settle()
}

func (b *fakeBroker) ended(s *Session, why Reason, err error) {
	for _, c := range b.stage.clients {
		if c.session != s {
			continue
		}
		if c.ended {
			b.stage.fail("%s ended twice", c.name)
		}
		c.ended, c.why, c.err = true, why, err
	}
}

// server returns a server by its name, nil if there is none.
func (st *stage) server(name string) *testServer {
	for _, v := range st.servers {
		if v.name == name {
			return v
		}
	}
	return nil
}

func (st *stage) client(name string) *testClient {
	for _, c := range st.clients {
		if c.name == name {
			return c
		}
	}
	return nil
}

var errTestReset = errors.New("connection reset by peer")
