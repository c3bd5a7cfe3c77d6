package proxytest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"syscall"
	"testing"
)

func dialFake(t *testing.T, f *FakeServer) *Wire {
	t.Helper()
	w, err := Dial(t.Context(), f.Addr(), Login{User: "app"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func TestFakeServer_FollowsItsScript(t *testing.T) {
	f := StartFake(t,
		Expect('Q'), Send(TextRow("n"), DataRow([]byte("1")), CommandComplete("SELECT 1"), ReadyForQuery('I')),
		ExpectUntil('S'), SendByByte(ErrorResponse("SERROR", "Mno"), ReadyForQuery('E')))
	w := dialFake(t, f)
	got, err := w.Ask(Query("select 1"))
	if err != nil || len(got) != 4 {
		t.Fatalf("got %v, %v", got, err)
	}
	got, err = w.Ask(Parse("", "x"), Bind("", "", nil, nil, nil), Sync())
	if err != nil || len(got) != 2 || got[1].String() != `ReadyForQuery "E"` {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestFakeServer_CountsItsConnections(t *testing.T) {
	f := StartFakeEach(t, func(n int) []Step {
		return []Step{Expect('Q'), Send(CommandComplete(string(rune('a'+n))), ReadyForQuery('I'))}
	})
	for _, want := range []string{"a\x00", "b\x00"} {
		got, err := dialFake(t, f).Ask(Query(""))
		if err != nil || string(got[0].Body) != want {
			t.Errorf("got %v, %v, want %q", got, err, want)
		}
		cancel, err := DialRaw(t.Context(), f.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer cancel.Conn().Close()
		key := []byte{0, 0, 0, 42, 1, 2, 3, 4}
		request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 16}, 80877102)
		if err := cancel.Send(request, key); err != nil {
			t.Fatal(err)
		}
		if _, err := cancel.Receive(); !errors.Is(err, io.EOF) {
			t.Errorf("after a cancel: %v, want EOF", err)
		}
		if got := f.Cancels(); !bytes.Equal(got[len(got)-1], key) {
			t.Errorf("cancel: got %v, want %v", got, key)
		}
	}
}

func TestFakeServer_DiesAtTheByteItIsTold(t *testing.T) {
	answer := CommandComplete("SELECT 1")
	for n := range answer {
		f := StartFake(t, Expect('Q'), DieAt(n, answer))
		w := dialFake(t, f)
		_, err := w.Ask(Query("select 1"))
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if !errors.Is(err, want) {
			t.Errorf("at byte %d: got %v, want %v", n, err, want)
		}
	}
}

func TestFakeServer_ResetsTheConnection(t *testing.T) {
	f := StartFake(t, Expect('Q'), Reset())
	if _, err := dialFake(t, f).Ask(Query("")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want %v", err, syscall.ECONNRESET)
	}
}

func TestFakeServer_WaitsForTheTest(t *testing.T) {
	reached, ready := make(chan struct{}), make(chan struct{})
	f := StartFakeRaw(t, ExpectStartup(), Signal(reached), Await(ready), Send(AuthenticationOK(), ReadyForQuery('I')))
	w, err := DialRaw(t.Context(), f.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Send(StartupMessage(Login{User: "app"})); err != nil {
		t.Fatal(err)
	}
	<-reached
	close(ready)
	if got, err := w.ReceiveReady(1); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

// failures is a testing.TB that counts instead of failing.
type failures struct {
	testing.TB
	count int
	after []func()
}

func (f *failures) Errorf(string, ...any) { f.count++ }
func (f *failures) Cleanup(do func())     { f.after = append(f.after, do) }

func TestFakeServer_FailsTheTestOnAnotherMessage(t *testing.T) {
	tb := &failures{TB: t}
	f := StartFake(tb, Expect('P'))
	w := dialFake(t, f)
	if _, err := w.Ask(Query("")); err == nil {
		t.Error("the script went on")
	}
	for _, do := range tb.after {
		do()
	}
	if tb.count != 1 {
		t.Errorf("got %d failures, want 1", tb.count)
	}
}

// What is malformed fails the test that meets it, whichever side says it.
func TestJudge_KnowsMalformedMessages(t *testing.T) {
	for _, c := range []struct {
		judge *judge
		m     Message
		good  bool
	}{
		{judgeServer(), Message{'D', []byte("\x00\x01\x00\x00\x00\x01x")}, true},
		{judgeServer(), Message{'D', []byte("\x00\x02\x00\x00\x00\x01x")}, false},
		{judgeServer(), Message{'C', []byte("SELECT 1")}, false},
		{judgeServer(), Message{'Z', nil}, false},
		{judgeServer(), Message{'?', nil}, false},
		{judgeClient(), Message{'B', []byte("\x00\x00\x00\x00\x00\x00\x00\x00")}, true},
		{judgeClient(), Message{'B', []byte("\x00\x00\x00\x00\x00\x01\x00\x00")}, false},
		{judgeClient(), Message{'Q', []byte("select")}, false},
	} {
		if err := c.judge.check(c.m); (err == nil) != c.good {
			t.Errorf("%v: got %v, want it well-formed: %v", c.m, err, c.good)
		}
	}
	fake := StartFake(t, Send(Message{'D', []byte("\x00\x02\x00\x00\x00\x01x")}.Bytes()))
	w, err := Dial(t.Context(), fake.Addr(), Login{User: "app"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if m, err := w.Receive(); err == nil {
		t.Errorf("got %v, want it refused", m)
	}
}
