package postgres_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"overdrive/proxy/proxytest"
)

// row is the whole answer to a query: one row with one text.
func row(text string) []byte {
	return slices.Concat(proxytest.TextRow("a"), proxytest.DataRow([]byte(text)), proxytest.CommandComplete("SELECT 1"),
		proxytest.ReadyForQuery('I'))
}

// honest answers every simple query rightly, for as long as the connection lasts.
func honest(c *proxytest.FakeConn) error {
	for {
		if err := proxytest.Expect('Q')(c); err != nil {
			return io.EOF // the proxy says goodbye
		}
		if _, err := c.Write(row("right")); err != nil {
			return err
		}
	}
}

// wantRight has a client ask and fails the test unless it is answered as honest does.
func wantRight(t *testing.T, who string, w *proxytest.Wire) {
	t.Helper()
	got, err := w.Ask(proxytest.Query("select 'right'"))
	if err != nil {
		t.Fatalf("%s: %v", who, err)
	}
	var b []byte
	for _, m := range got {
		b = append(b, m.Bytes()...)
	}
	if want := row("right"); !bytes.Equal(b, want) {
		t.Fatalf("%s got %v, want one row", who, got)
	}
}

// The first server connection answers a query with a lie; the others are honest. Who asked the liar gets what it got so
// far, an error or the end; a witness in the same pool notices nothing; the liar is not asked again; the log has it.
func TestHostileServer_LiesReachOnlyWhoAsked(t *testing.T) {
	t.Parallel()
	whole := row("right")
	for name, c := range map[string]struct {
		lie    []byte
		gets   string // types of messages that the client must have read whole; an error may follow
		logged string
	}{
		"length three":              {typed('D', 3, ""), "", "length"},
		"length zero":               {typed('Z', 0, ""), "", "length"},
		"length negative":           {typed('D', 1<<31, ""), "", "length"},
		"length beyond the limit":   {typed('D', 1<<20+5, ""), "", "length"},
		"length in mid-answer":      {slices.Concat(proxytest.TextRow("a"), typed('D', 2, "")), "T", "length"},
		"unknown type":              {typed('x', 4, ""), "", "unexpected message"},
		"client's type":             {typed('Q', 6, "x\x00"), "", "unexpected message"},
		"answer to another message": {typed('1', 4, ""), "", "unexpected message"},
		"second greeting":           {proxytest.AuthenticationOK(), "", "unexpected message"},
		"copy both":                 {typed('W', 7, "\x00\x00\x00"), "", "unexpected message"},
		"unknown status":            {typed('Z', 5, "Q"), "", "ReadyForQuery"},
		"status too long":           {typed('Z', 6, "II"), "", "ReadyForQuery"},
		"status too short":          {typed('Z', 4, ""), "", "ReadyForQuery"},
		"parameter without value":   {typed('S', 8, "abc\x00"), "", "ParameterStatus"},
		"long parameter":            {typed('S', 1<<19, strings.Repeat("x", 1<<19)), "", ""},
		"long tag":                  {typed('C', 1<<19, strings.Repeat("x", 1<<19)), "", ""},
		"FATAL without SQLSTATE":    {proxytest.ErrorResponse("SFATAL", "Mgoing away"), "E", "going away"},
		"empty error and end":       {typed('E', 5, "\x00"), "E", ""},
		"nothing but the end":       {nil, "", "closed the connection"},
		"half a row and the end":    {whole[:len(proxytest.TextRow("a"))+9], "T", "closed the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, tell := make(chan struct{}), make(chan struct{})
			fake := proxytest.StartFakeEach(t, func(n int) []proxytest.Step {
				if n > 0 {
					return []proxytest.Step{honest}
				}
				return []proxytest.Step{proxytest.Expect('Q'), proxytest.Signal(asked), proxytest.Await(tell), proxytest.Send(c.lie), proxytest.Close()}
			})
			f := newFence(t, fake.Addr(), func(o *rig.Options) { o.MaxMessage = 1 << 20 })
			witness, victim := f.Dial(t, fenceLogin), f.Dial(t, fenceLogin)
			if err := victim.Send(proxytest.Query("select 'wrong'")); err != nil {
				t.Fatal(err)
			}
			<-asked
			wantRight(t, "witness before", witness)
			close(tell)
			var got []byte
			for {
				m, err := victim.Receive()
				if err != nil {
					break
				}
				got = append(got, m.Type)
				if m.Type == 'E' && !strings.HasSuffix(c.gets, "E") && rig.Fields(m)['C'] != "08006" {
					t.Errorf("got %v, want SQLSTATE 08006", rig.Fields(m))
				}
			}
			if s := string(got); s != c.gets && s != c.gets+"E" {
				t.Errorf("victim got %q, want %q and perhaps an error", s, c.gets)
			}
			wantRight(t, "witness after", witness)
			wantRight(t, "newcomer", f.Dial(t, fenceLogin))
			f.log.Await(t, "session ended", "server connection lost", "db=postgres", "user=postgres", "error=", c.logged)
		})
	}
}

// What a server says while nobody asks it anything goes to nobody. If it makes no sense the connection is dropped, before
// the next client could get hold of it.
func TestHostileServer_UnaskedMessagesReachNobody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unasked []byte
		allowed bool // a well-behaved server may say this
	}{
		"ready":         {proxytest.ReadyForQuery('I'), false},
		"a row":         {proxytest.DataRow([]byte("wrong")), false},
		"a whole reply": {row("wrong"), false},
		"an error":      {proxytest.ErrorResponse("SERROR", "VERROR", "C22012", "Mwrong"), false},
		"FATAL":         {proxytest.ErrorResponse("SFATAL", "VFATAL", "C57P01", "Mterminating"), false},
		"garbage":       {bytes.Repeat([]byte{0xff}, 100), false},
		"a notice":      {typed('N', 6, "\x00\x00"), true},
		"a parameter":   {proxytest.ParameterStatus("application_name", "wrong"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answered, dropped := make(chan struct{}), make(chan struct{})
			fake := proxytest.StartFakeEach(t, func(n int) []proxytest.Step {
				if n > 0 {
					return []proxytest.Step{honest}
				}
				steps := []proxytest.Step{proxytest.Expect('Q'), proxytest.Send(row("right")), proxytest.Await(answered), proxytest.Send(c.unasked)}
				if c.allowed {
					return append(steps, proxytest.Signal(dropped), honest)
				}
				return append(steps, untilClosed, proxytest.Signal(dropped))
			})
			f := newFence(t, fake.Addr(), nil)
			w := f.Dial(t, fenceLogin)
			wantRight(t, "first", w)
			close(answered)
			rig.Await(t, "what was said to be dealt with", func() bool { return isClosed(dropped) })
			wantRight(t, "second", w)
			wantRight(t, "newcomer", f.Dial(t, fenceLogin))
		})
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

// untilClosed reads until the peer closes.
func untilClosed(c *proxytest.FakeConn) error {
	_, _ = io.Copy(io.Discard, c)
	return nil
}

// A server that dies at any byte of its answer takes down the one session that waits for the rest, and what this one has
// read is a beginning of the answer, to which at most a whole error was added.
func TestHostileServer_DyingAtEveryByteEndsOneSession(t *testing.T) {
	t.Parallel()
	answer := row("right")
	fake := proxytest.StartFakeEach(t, func(n int) []proxytest.Step {
		return []proxytest.Step{proxytest.Expect('Q'), proxytest.DieAt(n, answer)}
	})
	f := newFence(t, fake.Addr(), nil)
	idle := f.Dial(t, fenceLogin)
	for n := range answer {
		w := f.Dial(t, fenceLogin)
		if err := w.Send(proxytest.Query("select 'right'")); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(w.Conn())
		if err != nil && !rig.IsReset(err) {
			t.Fatalf("dead at byte %d: %v", n, err)
		}
		same := 0
		for same < min(len(got), n) && got[same] == answer[same] {
			same++
		}
		if rest := got[same:]; len(rest) > 0 {
			m := proxytest.Message{Type: rest[0], Body: rest[min(5, len(rest)):]}
			if m.Type != 'E' || rig.Fields(m)['C'] != "08006" || len(m.Bytes()) != len(rest) || !bytes.Equal(m.Bytes(), rest) {
				t.Errorf("dead at byte %d: got %q after %d bytes of the answer, want nothing or an error 08006", n, rest, same)
			}
		}
	}
	wantRight(t, "idle client", idle)
}

// A client that gives up on a silent server frees its place in the pool within a bounded time, and the server is told to
// stop.
func TestHostileServer_SilenceHoldsNobodyElse(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	fake := proxytest.StartFakeEach(t, func(n int) []proxytest.Step {
		if n > 0 {
			return []proxytest.Step{honest}
		}
		return []proxytest.Step{proxytest.Expect('Q'), proxytest.Signal(asked), untilClosed}
	})
	var log rig.Captured
	in := rig.Start(t, rig.Setup{Upstream: fake.Addr(), Database: "postgres", Size: 1, Options: log.Capture})
	victim, next := in.Dial(t, fenceLogin), in.Dial(t, fenceLogin)
	if err := victim.Send(proxytest.Query("select 'wrong'")); err != nil {
		t.Fatal(err)
	}
	<-asked
	_ = victim.Conn().(*net.TCPConn).SetLinger(0)
	victim.Conn().Close()
	wantRight(t, "next client", next)
	if got := len(fake.Cancels()); got != 1 {
		t.Errorf("the server got %d cancel requests, want 1", got)
	}
	log.Await(t, "session ended", "client lost")
}

// A server that claims a login and then says nothing, or nonsense, is no server; its words reach the log and the client
// waits for another, in vain only until the time is up.
func TestHostileServer_NonsenseAtLoginIsReportedToWhoWaits(t *testing.T) {
	t.Parallel()
	for name, said := range map[string][]byte{
		"text":                 []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"the end":              nil,
		"unknown method":       typed('R', 8, "\x00\x00\x00\x63"),
		"a length that lies":   typed('R', 3, ""),
		"ready without a word": proxytest.ReadyForQuery('I'),
		"endless parameters":   bytes.Repeat(proxytest.ParameterStatus("a", strings.Repeat("b", 1000)), 1<<12),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := proxytest.StartFakeRaw(t, proxytest.ExpectStartup(), proxytest.Send(said), proxytest.Close())
			var log rig.Captured
			in := rig.Start(t, rig.Setup{Upstream: fake.Addr(), Database: "postgres", Size: 1, Wait: 500 * time.Millisecond, Options: log.Capture})
			_, err := login(t, in)
			if code := rig.State(err); len(code) != 5 {
				t.Errorf("got %v, want an error with an SQLSTATE", err)
			}
			log.Await(t, "upstream login failed", "db=postgres", "error=")
			log.Await(t, "session ended", "no server connection")
		})
	}
}
