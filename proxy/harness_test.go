package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"overdrive/pool"
	"overdrive/proxy/loop"
	"overdrive/proxy/pgwire"
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
	origin  *origin
	worker  *worker
	broker  *fakeBroker
	clock   time.Duration
	clients []*testClient
	servers []*testServer
	sockets []*recorder
	posts   []func()
	timers  []*fakeTimer
	cut     cutter
	chunks  int            // sent so far
	db      map[string]int // if there is one, the servers are models over it
	// fail notes what went wrong. It may return.
	fail func(format string, args ...any)
}

// setup says what a stage is like.
type setup struct {
	mode    PoolMode
	servers int  // 0: one
	later   bool // a free server is granted in an event of its own, as if it came from another loop
	unseen  bool // no server has ever been logged in to
	cache   bool // answers are kept; the tables are those of testCatalog
	cut     cutter
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
	"server_version": "17.0", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "TimeZone": "UTC",
	"application_name": "", "standard_conforming_strings": "on", "in_hot_standby": "off",
}

func newStage(tb testing.TB, o setup) *stage {
	st := newStageWithout(o)
	st.fail = func(format string, args ...any) {
		tb.Helper()
		tb.Errorf(format, args...)
	}
	tb.Cleanup(st.close)
	return st
}

// newStageWithout makes a stage whose fail is yet to be set.
func newStageWithout(o setup) *stage {
	st := &stage{cut: o.cut}
	if st.cut == nil {
		st.cut = whole
	}
	st.worker = &worker{}
	st.worker.alarm, st.worker.post = st.alarm, st.post
	st.broker = &fakeBroker{stage: st, size: max(o.servers, 1), later: o.later, real: &loopBroker{worker: st.worker}}
	st.worker.broker = st.broker
	st.origin = &origin{
		ddl: func(*querycache.Database) {
			st.origin.forgetCatalog()
		},
		id: 1, database: "test", user: "tester", mode: o.mode, maxMessage: 16 << 20, interner: &interner{},
		statements: newStatementTable(), usual: &lens{classifier: classify.New(nil)}, kick: make(chan struct{}, 1), dropped: st.broker.dropped,
	}
	st.origin.pool = pool.New(pool.Options[*serverConn]{
		Limits: pool.Limits{Size: 1000, DialParallel: 1000},
		Dial:   func(context.Context, int) (*serverConn, error) { return st.broker.dialing, nil },
		Close:  func(c *serverConn, _ pool.CloseReason) { c.peer.(*recorder).discarded = true },
	})
	if !o.unseen {
		st.origin.introduce(reportedByTest)
	}
	if o.cache {
		st.useCache()
	}
	return st
}

func (st *stage) close() { st.origin.pool.Close(errShutdown) }

// useCache gives the origin a cache and a catalog.
func (st *stage) useCache() {
	cache := querycache.New(querycache.Options{Now: func() time.Duration { return st.clock }})
	st.origin.cache = cache.Database("test", querycache.Policy{Enabled: true, MaxAge: time.Minute, MaxResult: 1 << 20})
	st.learnCatalog()
}

func (st *stage) learnCatalog() {
	c := st.origin.usual.classifier
	c.SetCatalog(testCatalog(), c.Generation())
}

// testCatalog knows the tables t and t0 to t9, and nothing that would make a read of them unsafe.
func testCatalog() *classify.Catalog {
	relation := func(oid int, name string) []string {
		return []string{fmt.Sprint(oid), "public", name, "r", "p", "f", "t", "f", "f", "f", "f"}
	}
	results := make([][][]string, len(classify.CatalogQueries()))
	results[0] = [][]string{{"f", "f", "f", ""}}
	results[1] = [][]string{relation(20000, "t")}
	for i := range 10 {
		results[1] = append(results[1], relation(20001+i, fmt.Sprint("t", i)))
	}
	results[5] = [][]string{{"870", "lower", "pg_catalog", "t", "1", "1", "i", "t", ""}}
	results[9] = [][]string{{"25", "text", "f"}, {"23", "int4", "f"}}
	c, err := classify.NewCatalog(results)
	if err != nil {
		panic(err)
	}
	return c
}

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

func (st *stage) alarm(d time.Duration, f func()) stopper {
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
			st.event(func() { st.worker.scratch.reset(); t.f() })
		}
	}
	st.settle()
}

// post has f run as an event of its own.
func (st *stage) post(f func()) { st.posts = append(st.posts, f) }

// event runs f as one event of the loop.
func (st *stage) event(f func()) {
	f()
	for _, r := range st.sockets {
		r.endEvent()
	}
	spoil(st.worker.scratch.buf)
	st.broker.lookAfterCleaners()
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
	held := map[*serverConn]*testClient{}
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
		case s.in.Len() > maxHeld+maxAhead+64<<10:
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
	shared  []loan
	got     []byte // what has arrived at the peer
	pending []byte // what the peer has not taken yet
	stuck   bool   // the peer does not read
	high    int    // Congested above it
	owes    bool   // OnDrained
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

func (r *recorder) WriteShared(b []byte) {
	r.Write(b)
	r.shared = append(r.shared, loan{b, bytes.Clone(b)})
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
}

// endEvent takes what was written over, and checks that nobody changed it meanwhile.
func (r *recorder) endEvent() {
	for _, l := range append(r.lent, r.shared...) {
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
	session *session
	peer    *recorder
	ended   bool
	why     reason
	err     error
}

// connect lets a client in, with the settings of its startup packet, and discards the greeting.
func (st *stage) connect(name string, raw ...setting) *testClient {
	c := st.arrive(name, raw...)
	st.settle()
	c.peer.got = nil
	return c
}

// arrive lets a client in.
func (st *stage) arrive(name string, raw ...setting) *testClient {
	s := &session{
		id: SessionID(len(st.clients) + 1), origin: st.origin, broker: st.broker, worker: st.worker, user: "tester",
		rawStartup: raw, onlyReads: true, cancelKey: CancelKey{uint32(len(st.clients) + 1), 4711},
	}
	c := &testClient{name: name, session: s}
	c.peer = st.socket(name, s)
	s.client = c.peer
	st.clients = append(st.clients, c)
	st.event(s.start)
	return c
}

// sends has the client send messages, and everything happen that follows.
func (c *testClient) sends(messages ...[]byte) {
	c.peer.send(slices.Concat(messages...))
	c.peer.stage.settle()
}

// testServer is PostgreSQL's side of a server connection.
type testServer struct {
	name     string
	conn     *serverConn
	peer     *recorder
	lease    *pool.Lease[*serverConn] // from the first cleaning on
	model    *modelServer
	pooled   bool
	cleaning bool
	gone     bool
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
	case c.copyIn || c.earlySyncs > 0 || c.discarding || c.doubtful || c.dying:
		st.fail("%s is in the pool and not at rest: copyIn %v, earlySyncs %d, discarding %v, doubtful %v, dying %v",
			v.name, c.copyIn, c.earlySyncs, c.discarding, c.doubtful, c.dying)
	case len(c.strays) > 0:
		st.fail("%s is in the pool with stray statements %q", v.name, c.strays)
	case c.cancels > 0:
		st.fail("%s is in the pool with a cancel request on its way", v.name)
	}
}

// A fakeBroker is a pool in one event loop, first come, first served. What it does not do itself, the real one does.
type fakeBroker struct {
	stage   *stage
	real    *loopBroker
	size    int
	later   bool
	prefer  string        // the server to hand out next
	queue   []*session    // waiting
	coming  []*session    // granted, and not told yet
	dialing *serverConn   // see lease
	cancels []*testCancel // under way
	// cancelled lists the servers that a cancel request was sent to, in order.
	cancelled []string
	finished  []amid // how servers were left that worked for a client that went
	lastWrite *transaction
}

// A testCancel is a cancel request on its way.
type testCancel struct {
	conn *serverConn
	done func()
}

func (b *fakeBroker) awaited(s *session) bool {
	return slices.Contains(b.queue, s) || slices.Contains(b.coming, s)
}

func (b *fakeBroker) judge(s *session, l *lens, text []byte) {
	a := &awaited{slices.Clone(text), l.classifier.Judge(text)}
	b.stage.post(func() { s.judged(a) })
}

func (b *fakeBroker) refresh(s *session, fill *querycache.Fill, message []byte) {
	startRefresh(s, fill, message)
}

func (b *fakeBroker) misunderstood(*session, []string) {}

func (b *fakeBroker) acquire(s *session) *serverConn {
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
	c := &serverConn{
		origin: st.origin, worker: st.worker, status: pgwire.TxIdle, has: st.origin.introduce(reportedByTest),
		residents: newResidents(), conn: &loop.Conn{},
	}
	v := &testServer{name: name, conn: c}
	v.peer = st.socket(name, c)
	c.peer = v.peer
	if st.db != nil {
		v.model = newModelServer(st.db)
	}
	st.servers = append(st.servers, v)
	return v
}

func (b *fakeBroker) grant(v *testServer, s *session) {
	b.coming = append(b.coming, s)
	b.stage.post(func() {
		b.coming = slices.DeleteFunc(b.coming, func(o *session) bool { return o == s })
		if v.gone { // it broke on its way
			s.tryAgain()
			return
		}
		s.granted(v.conn)
	})
}

func (b *fakeBroker) abandon(s *session) bool {
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

func (b *fakeBroker) release(c *serverConn) {
	v := b.stage.serverOf(c)
	if c.holder != nil {
		b.stage.fail("%s was released and still has a holder", v.name)
	}
	if v.pooled {
		b.stage.fail("%s was released twice", v.name)
	}
	v.peer.ResumeRead()
	whenUncancelled(c, func() {
		v.pooled = true
		b.serve()
	})
}

func (b *fakeBroker) cancel(c *serverConn, done func()) {
	v := b.stage.serverOf(c)
	if v.pooled || v.gone {
		b.stage.fail("a cancel request for %s, which is not leased", v.name)
	}
	if c.cancels > 0 {
		done()
		return
	}
	c.cancels++
	b.cancelled = append(b.cancelled, v.name)
	b.cancels = append(b.cancels, &testCancel{c, done})
}

// cancelArrives ends the oldest cancel request.
func (b *fakeBroker) cancelArrives(err error) {
	r := b.cancels[0]
	b.cancels = b.cancels[1:]
	r.done()
	b.stage.event(func() { cancelled(r.conn, err) })
	b.stage.settle()
}

func (b *fakeBroker) clean(c *serverConn, write *transaction, reset bool) {
	b.leaseFor(c)
	b.lastWrite = write
	b.real.clean(c, write, reset)
}

func (b *fakeBroker) finish(c *serverConn, write *transaction, where amid) {
	b.leaseFor(c)
	b.lastWrite = write
	b.finished = append(b.finished, where)
	b.real.finish(c, write, where)
}

// leaseFor makes c a connection of the real pool, for the real broker to give back.
func (b *fakeBroker) leaseFor(c *serverConn) {
	v := b.stage.serverOf(c)
	v.cleaning = true
	v.peer.ResumeRead()
	if v.lease != nil {
		return
	}
	b.dialing = c
	g := make(granted, 1)
	if v.lease = b.stage.origin.pool.Acquire(&pool.Waiter[*serverConn]{Grantee: g}); v.lease == nil {
		v.lease = <-g
	}
	c.lease.Store(v.lease)
}

type granted chan *pool.Lease[*serverConn]

func (g granted) Granted(l *pool.Lease[*serverConn]) { g <- l }
func (g granted) Refused(err error)                  { panic(err) }

// lookAfterCleaners takes servers over that the real broker has done with.
func (b *fakeBroker) lookAfterCleaners() {
	for _, v := range b.stage.servers {
		if v.cleaning && v.peer.discarded {
			v.cleaning, v.gone = false, true
			b.serve()
		}
		if v.cleaning && !v.gone && v.conn.holder == nil && v.conn.afterward == nil {
			l := b.stage.origin.pool.Acquire(&pool.Waiter[*serverConn]{Grantee: make(granted, 1)})
			if l != v.lease {
				b.stage.fail("%s was neither released nor discarded after its cleaning", v.name)
			}
			v.cleaning, v.pooled = false, true
			b.serve()
		}
	}
}

// dropped is told that the socket of a server connection is gone.
func (b *fakeBroker) dropped(c *serverConn, held bool) {
	v := b.stage.serverOf(c)
	if v.cleaning {
		dropped(c, held)
		return
	}
	c.gone = true
	c.afterward = nil
	v.gone, v.pooled = true, false
	b.serve()
}

func (b *fakeBroker) ended(s *session, why reason, err error) {
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

func (st *stage) serverOf(c *serverConn) *testServer {
	for _, v := range st.servers {
		if v.conn == c {
			return v
		}
	}
	panic("a server connection that is not on the stage")
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
