package logqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func jsonLines(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }

// A sink keeps the lines that were written, and may refuse to take any.
type sink struct {
	mu     sync.Mutex
	lines  []map[string]any
	broken bool
	tried  int
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried++
	if s.broken {
		return 0, errors.New("broken pipe")
	}
	var line map[string]any
	if err := json.Unmarshal(b, &line); err != nil {
		panic(err)
	}
	s.lines = append(s.lines, line)
	return len(b), nil
}

// all returns the lines that were written.
func (s *sink) all() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// tries returns how often somebody tried to write.
func (s *sink) tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried
}

// kinds returns how many kinds are kept, by name and in order.
func (q *Queue) kinds() (known, ordered int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.repeats.known), len(q.repeats.order)
}

// number returns an attribute of a line, 0 if it has none.
func number(line map[string]any, key string) int {
	n, _ := line[key].(float64)
	return int(n)
}

func TestQueue_APipeThatNobodyReadsHoldsNobodyUp(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	q, h := New(w, jsonLines)
	log := slog.New(h)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 50_000 { // a pipe holds about 600 of them
			log.Info(fmt.Sprint("line ", i))
			_ = h.inner.Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelWarn, "again", 0))
		}
		q.Close(10 * time.Millisecond)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("who logs is held up")
	}
	if got, _ := q.kinds(); got > 2*maxKinds+1 {
		t.Errorf("%d kinds are kept", got)
	}
}

func TestQueue_TellsHowManyLinesHadNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		out := &sink{}
		q, h := New(writerFunc(func(b []byte) (int, error) { <-hold; return out.Write(b) }), jsonLines)
		log := slog.New(h)
		log.Warn("first")
		synctest.Wait() // it is being written
		const lines = maxLines + 500
		for range lines {
			_ = h.inner.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelWarn, "again", 0))
		}
		close(hold)
		synctest.Wait()
		if got, want := len(out.all()), 1+maxLines+1; got != want {
			t.Fatalf("%d lines were written, want %d", got, want)
		}
		if got, want := number(out.all()[len(out.all())-1], "lines"), 500; got != want {
			t.Errorf("told of %d lines that are missing, want %d", got, want)
		}
		if got := q.Dropped(); got != 500 {
			t.Errorf("%d lines were dropped, want 500", got)
		}
		q.Close(time.Second)
	})
}

// missing is how many lines were told of as dropped.
func (s *sink) missing() (n int) {
	for _, line := range s.all() {
		n += number(line, "lines")
	}
	return n
}

func TestQueue_TheCountIsNotLostWhereTheQueueIsFullAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{})
		out := &sink{}
		q, h := New(writerFunc(func(b []byte) (int, error) { <-next; return out.Write(b) }), jsonLines)
		said := 0
		say := func(n int) {
			for range n {
				_ = h.inner.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelWarn, "again", 0))
			}
			said += n
			synctest.Wait()
		}
		say(1)
		say(maxLines + 500)
		next <- struct{}{} // the first line is out, and those that wait are being written
		say(maxLines + 700)
		close(next)
		synctest.Wait()
		told := 0
		for _, line := range out.all() {
			if line["msg"] != "again" {
				told++
			}
		}
		if lines := len(out.all()) - told; lines+out.missing() != said || told == 0 {
			t.Errorf("of %d lines %d were written, and %d told of as missing", said, lines, out.missing())
		}
		q.Close(time.Second)
	})
}

func TestQueue_CloseTellsWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		out := &sink{}
		q, h := New(writerFunc(func(b []byte) (int, error) { <-hold; return out.Write(b) }), jsonLines)
		slog.New(h).Warn("first")
		synctest.Wait()
		for range maxLines + 500 {
			_ = h.inner.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelWarn, "again", 0))
		}
		go func() { time.Sleep(time.Millisecond); close(hold) }()
		q.Close(time.Second)
		if got := out.missing(); got != 500 {
			t.Errorf("told of %d lines that are missing, want 500", got)
		}
	})
}

func TestQueue_CloseTellsOfThoseThatCouldNotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{broken: true}
		q, h := New(out, jsonLines)
		slog.New(h).Warn("lost")
		synctest.Wait()
		out.mu.Lock()
		out.broken = false
		out.mu.Unlock()
		q.Close(time.Second)
		if got := out.missing(); got != 1 || q.Dropped() != 1 {
			t.Errorf("told of %d lines that are missing, and %d, want 1", got, q.Dropped())
		}
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestQueue_SaysTheSameOnceAMinuteWithItsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		q, h := New(out, jsonLines)
		log := slog.New(h)
		end := func(session int) {
			log.Warn("session ended", "session", session, "db", "shop", "user", "app", "reason", "no server connection",
				"error", fmt.Sprintf("dial tcp 127.0.0.1:%d: connection refused", 30000+session))
		}
		for i := range 300 {
			end(i)
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if got, want := len(out.all()), 1; got != want {
			t.Fatalf("%d lines in half a minute, want %d", got, want)
		}
		log.Warn("session ended", "session", 1, "db", "shop", "user", "other", "reason", "no server connection")
		synctest.Wait()
		if got, want := len(out.all()), 2; got != want {
			t.Errorf("%d lines, want %d: another user is another kind", got, want)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got, want := len(out.all()), 3; got != want {
			t.Fatalf("%d lines after the minute, want %d", got, want)
		}
		if last := out.all()[2]; number(last, "repeated") != 299 || number(last, "session") != 299 {
			t.Errorf("got %v, want the latest with repeated=299", last)
		}
		end(7)
		end(8)
		q.Close(time.Second)
		if got := len(out.all()); got != 5 || number(out.all()[4], "repeated") != 1 {
			t.Errorf("got %d lines, want the count at the end, too: %v", got, out.all()[3:])
		}
	})
}

// Peers choose names. However many they choose, what is kept and what is written stays bounded.
func TestQueue_IsBoundedWhateverNamesPeersChoose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		q, h := New(out, jsonLines)
		log := slog.New(h)
		for i := range 20_000 {
			log.Warn("client refused", "client", i, "user", fmt.Sprint("user", i), "error", errors.New("no"))
		}
		synctest.Wait()
		if got, most := len(out.all()), maxKinds+2; got > most {
			t.Errorf("%d lines, want %d at most", got, most)
		}
		if got, ordered := q.kinds(); got > maxKinds+1 || ordered != got {
			t.Errorf("%d kinds are kept, want %d at most", got, maxKinds+1)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if got, _ := q.kinds(); got != 0 {
			t.Errorf("%d kinds are kept for ever", got)
		}
		q.Close(time.Second)
	})
}

func TestQueue_ABrokenPipeIsTriedOncePerLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{broken: true}
		q, h := New(out, jsonLines)
		log := slog.New(h)
		for i := range 10 {
			log.Info("line", "n", i)
		}
		synctest.Wait()
		if out.tries() != 10 {
			t.Errorf("%d tries for 10 lines", out.tries())
		}
		out.mu.Lock()
		out.broken = false
		out.mu.Unlock()
		log.Info("mended")
		synctest.Wait()
		if got := len(out.all()); got != 2 || number(out.all()[1], "lines") != 10 {
			t.Errorf("got %v, want the line and the number of those that are missing", out.all())
		}
		q.Close(time.Second)
	})
}

func TestQueue_CloseGivesUpOnWhoDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		q, h := New(writerFunc(func(b []byte) (int, error) { <-hold; return len(b), nil }), jsonLines)
		slog.New(h).Info("line")
		began := time.Now()
		q.Close(time.Second)
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v, want a second", took)
		}
		close(hold)
	})
}

func TestHandler_KeepsWhatWithAdds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		q, h := New(out, jsonLines)
		log := slog.New(h)
		log.With("db", "a").Warn("same")
		log.With("db", "b").Warn("same")
		log.WithGroup("g").Warn("same", "x", 1)
		q.Close(time.Second)
		if len(out.all()) != 3 || out.all()[0]["db"] != "a" || out.all()[1]["db"] != "b" {
			t.Errorf("got %v", out.all())
		}
	})
}
