package notify

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/session"
	"overdrive/proxy/postgres/upstream"
	"overdrive/proxy/proxytest"
)

func TestMain(m *testing.M) { os.Exit(proxytest.Main(m)) }

// A hearer takes in what a subscriber is told, as a session would.
type hearer struct {
	*Subscriber
	mu     sync.Mutex
	events []session.Heard
	stuck  []func() // what waits for a loop that is busy
	busy   bool
	loop   sync.Mutex // held while something runs on the loop; nothing overtakes
	posts  []func()
}

func (h *hearer) post(f func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy {
		h.stuck = append(h.stuck, f)
		return true
	}
	h.posts = append(h.posts, f)
	go h.run()
	return true
}

// run runs what was posted first.
func (h *hearer) run() {
	h.loop.Lock()
	defer h.loop.Unlock()
	h.mu.Lock()
	f := h.posts[0]
	h.posts = h.posts[1:]
	h.mu.Unlock()
	f()
}

func (h *hearer) hear(es []session.Heard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, es...)
}

// told waits for an event that is like this, and returns those that came before and it.
func (h *hearer) told(t *testing.T, like func(e *session.Heard) bool) []session.Heard {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		h.mu.Lock()
		i := slices.IndexFunc(h.events, func(e session.Heard) bool { return like(&e) })
		if i >= 0 {
			got := h.events[:i+1]
			h.events = h.events[i+1:]
			h.mu.Unlock()
			return got
		}
		h.mu.Unlock()
	}
	t.Fatalf("it was not told; got %v", h.events)
	return nil
}

func kind(k session.HeardKind) func(*session.Heard) bool {
	return func(e *session.Heard) bool { return e.Kind == k }
}

// payloads are those of the notifications among the events.
func payloads(es []session.Heard) (out []string) {
	for _, e := range es {
		if e.Kind == session.Notified {
			out = append(out, strings.Split(string(e.Tail), "\x00")[1])
		}
	}
	return out
}

type bench struct {
	*Listener
	t       *testing.T
	pg      *proxytest.Postgres
	name    string
	connect Connect
}

func listen(t *testing.T, database string) *bench {
	pg := proxytest.SharedPostgres(t)
	pg.Exec("create database " + database)
	t.Cleanup(func() { pg.Exec("drop database " + database + " with (force)") })
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() { stop(); all.Wait() })
	target := upstream.Target{Host: "127.0.0.1", Port: pg.Port(), Database: database, User: "postgres", SSLMode: upstream.SSLDisable, ConnectTimeout: 5 * time.Second}
	dialer := &upstream.Dialer{Target: target}
	b := &bench{t: t, pg: pg, name: database, Listener: New(Options{
		Database: database, Go: all.Go, Context: ctx, Sender: func(pid uint32) uint32 { return pid + 1 },
	})}
	b.connect = func(ctx context.Context, settings string) (*upstream.Conn, error) {
		conn, err := dialer.Connect(ctx, pgauth.NewCredential("postgres", pgauth.Secret{}))
		if err != nil {
			return nil, err
		}
		if _, err := conn.Query(settings); err != nil {
			return nil, err
		}
		return conn, nil
	}
	return b
}

// hearer has somebody hear of the channels.
func (b *bench) hearer(channels ...string) *hearer {
	h := &hearer{}
	h.Subscriber = b.Subscribe(Receiver{Post: h.post, Hear: h.hear}, func(ctx context.Context, s string) (*upstream.Conn, error) { return b.connect(ctx, s) })
	h.Prepare(1, channels)
	h.told(b.t, kind(session.Prepared))
	b.turn(h, "on", func(m string) { h.TurnOn(m, channels) })
	return h
}

func (b *bench) turn(h *hearer, word string, order func(marker string)) {
	m := h.Marker()
	order(m)
	b.say(fmt.Sprintf("notify %s, '%s'", b.Channel(), m))
	h.told(b.t, func(e *session.Heard) bool { return e.Kind == session.Turned && e.Text == m })
}

func (b *bench) say(sql string) { b.pg.ExecIn(b.name, sql) }

// query returns the one value that a query gives.
func (b *bench) query(sql string) string {
	conn, err := b.connect(b.t.Context(), "SELECT 1")
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.NC.Close()
	rows, err := conn.Query(sql)
	if err != nil || len(rows) != 1 {
		b.t.Fatal(rows, err)
	}
	return rows[0][0]
}

func (b *bench) pid() string {
	return b.query("select coalesce(max(pid), 0) from pg_stat_activity where application_name like 'overdrive: listens%' and datname = current_database()")
}

func TestListener_EachHearsItsOwnChannelsInOneOrder(t *testing.T) {
	b := listen(t, "notify_order")
	one, two := b.hearer("a", `od"d`), b.hearer("b", "a")
	b.say(`notify a, '1'; notify b, '2'; notify "od""d", '3'; notify a, '4'; notify c, '5'`)
	for h, want := range map[*hearer][]string{one: {"1", "3", "4"}, two: {"1", "2", "4"}} {
		h.Round(1)
		es := h.told(t, kind(session.Passed))
		if got := payloads(es); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if es[0].Sender != es[0].PID+1 {
			t.Errorf("the sender is %d, want the one that was asked for", es[0].Sender)
		}
	}
}

// A round that was asked for when somebody had committed is over behind what that one has notified.
func TestListener_ARoundIsBehindWhatWasCommitted(t *testing.T) {
	b := listen(t, "notify_round")
	h := b.hearer("a")
	for i := range 200 {
		b.say(fmt.Sprintf("notify a, '%d'", i))
		h.Round(uint64(i))
		if got := payloads(h.told(t, kind(session.Passed))); !slices.Equal(got, []string{fmt.Sprint(i)}) {
			t.Fatalf("by the end of the round it was told of %q, want %d", got, i)
		}
	}
}

func TestListener_HearsFromAMarkerToAMarker(t *testing.T) {
	b := listen(t, "notify_turns")
	h := b.hearer("a", "b")
	b.say("notify a, '1'")
	b.turn(h, "off", h.TurnOff)
	b.say("notify a, 'unheard'")
	h.Prepare(2, []string{"b", "c"})
	h.told(t, kind(session.Prepared))
	b.say("notify c, 'too early'")
	b.turn(h, "on", func(m string) { h.TurnOn(m, []string{"b", "c"}) })
	b.say("notify a, 'unheard'; notify c, '2'; notify b, '3'")
	h.Round(1)
	if got := payloads(h.told(t, kind(session.Passed))); !slices.Equal(got, []string{"2", "3"}) {
		t.Errorf("got %q", got)
	}
	// A marker that was taken back does nothing.
	h.TurnOff("never")
	h.Forget("never")
	b.say(fmt.Sprintf("notify %s, 'never'; notify b, '4'", b.Channel()))
	h.Round(2)
	if got := payloads(h.told(t, kind(session.Passed))); !slices.Equal(got, []string{"4"}) {
		t.Errorf("got %q", got)
	}
}

// Channels come and go with those who listen, and one who comes while the server is told that there is nobody hears all the same.
func TestListener_AChannelIsThereAsLongAsSomebodyListens(t *testing.T) {
	b := listen(t, "notify_refs")
	stays := b.hearer("stays")
	for i := range 200 {
		h := b.hearer("a", "b")
		b.say(fmt.Sprintf("notify a, '%d'", i))
		h.Round(1)
		if got := payloads(h.told(t, kind(session.Passed))); !slices.Equal(got, []string{fmt.Sprint(i)}) {
			t.Fatalf("%d: got %q", i, got)
		}
		h.Close()
	}
	stays.Round(1)
	stays.told(t, kind(session.Passed))
	stays.Round(2)
	stays.told(t, kind(session.Passed))
	b.say("notify a, 'nobody'; notify stays, 'here'")
	stays.Round(3)
	if got := payloads(stays.told(t, kind(session.Passed))); !slices.Equal(got, []string{"here"}) {
		t.Errorf("got %q", got)
	}
}

func TestListener_EverybodyIsToldOfItsLoss(t *testing.T) {
	b := listen(t, "notify_loss")
	one, two := b.hearer("a"), b.hearer("b")
	b.say("select pg_terminate_backend(" + b.pid() + ")")
	one.told(t, kind(session.Unheard))
	two.told(t, kind(session.Unheard))
	if b.Connected() {
		t.Error("it says that there is a connection")
	}
	again := b.hearer("a")
	b.say("notify a, 'x'")
	again.Round(1)
	if got := payloads(again.told(t, kind(session.Passed))); !slices.Equal(got, []string{"x"}) {
		t.Errorf("got %q", got)
	}
	b.ServedBy("elsewhere:5432")
	again.told(t, kind(session.Unheard))
}

func TestListener_RefusesWhatItCannotHear(t *testing.T) {
	b := listen(t, "notify_refuses")
	connect := b.connect
	b.connect = func(context.Context, string) (*upstream.Conn, error) { return nil, fmt.Errorf("no way") }
	h := &hearer{}
	h.Subscriber = b.Subscribe(Receiver{Post: h.post, Hear: h.hear}, b.connect)
	h.Prepare(7, []string{"a"})
	if es := h.told(t, kind(session.Refused)); es[0].Number != 7 {
		t.Errorf("got %+v", es[0])
	}
	h.Prepare(8, []string{"a"}) // too soon
	h.told(t, kind(session.Refused))
	b.connect = connect
	b.mu.Lock()
	b.pause = time.Time{}
	b.mu.Unlock()
	fine := b.hearer("a")
	many := make([]string, maxChannels+1)
	for i := range many {
		many[i] = fmt.Sprint("c", i)
	}
	fine.Prepare(2, many)
	fine.told(t, kind(session.Refused))
	fine.Prepare(3, []string{strings.Repeat("x", 200), ""}) // no name
	fine.told(t, kind(session.Refused))
	b.say("notify a, 'x'")
	fine.Round(1)
	if got := payloads(fine.told(t, kind(session.Passed))); !slices.Equal(got, []string{"x"}) {
		t.Errorf("got %q", got)
	}
}

// A session whose loop does not come to it is given up before it takes much memory, and nobody waits for it.
func TestListener_WhoDoesNotTakeItInIsOverrun(t *testing.T) {
	b := listen(t, "notify_overrun")
	stuck, other := b.hearer("a"), b.hearer("a")
	stuck.mu.Lock()
	stuck.busy = true
	stuck.mu.Unlock()
	const each = 1500
	for range 2 {
		b.say(fmt.Sprintf("select pg_notify('a', repeat('x', 7000) || i) from generate_series(1, %d) i", each))
		other.Round(1)
		if got := payloads(other.told(t, kind(session.Passed))); len(got) != each {
			t.Errorf("the other heard %d, want %d", len(got), each)
		}
	}
	stuck.mu.Lock()
	stuck.busy = false
	waiting := stuck.stuck
	stuck.mu.Unlock()
	if len(waiting) != 1 {
		t.Fatalf("it was told to look %d times, want once", len(waiting))
	}
	waiting[0]()
	stuck.told(t, kind(session.Overrun))
	stuck.Close()
}
