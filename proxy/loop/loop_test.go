package loop

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestPost_RunsInOrderFromManyGoroutines(t *testing.T) {
	l := startLoop(t, Options{})
	const posters, each = 8, 2000
	var got [posters][]int
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := range each {
				if !l.Post(func() { got[p] = append(got[p], i) }) {
					t.Error("refused")
				}
			}
		})
	}
	wg.Wait()
	on(t, l, func() {})
	for p := range got {
		if len(got[p]) != each || !slices.IsSorted(got[p]) {
			t.Errorf("poster %d: %d of %d ran, in order: %v", p, len(got[p]), each, slices.IsSorted(got[p]))
		}
	}
}

func TestPost_WhatWasAcceptedRunsWhateverClosesMeanwhile(t *testing.T) {
	for range 50 {
		l, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- l.Run() }()
		ran, accepted := 0, 0
		posted := make(chan struct{})
		go func() {
			defer close(posted)
			for l.Post(func() { ran++ }) {
				accepted++
			}
		}()
		on(t, l, func() {})
		l.Close()
		l.Close()
		if err := await(t, ended); err != nil && !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
		await(t, posted)
		if ran != accepted {
			t.Fatalf("%d functions ran, %d were accepted", ran, accepted)
		}
	}
}

func TestClose_ClosesAllConnsWithoutAWord(t *testing.T) {
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run() }()
	silent := &hears{
		eof:     func() { t.Error("OnEOF") },
		drained: func() { t.Error("OnDrained") },
		failed:  func(error) { t.Error("OnError") },
	}
	var peers []net.Conn
	for _, tr := range transports {
		peer, ours := tr.pair(t)
		adopt(t, l, ours, silent)
		peers = append(peers, peer)
	}
	l.Close()
	if err := await(t, ended); err != nil {
		t.Errorf("Run: %v", err)
	}
	for i, peer := range peers {
		if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: peer reads %v, want EOF", transports[i].name, err)
		}
	}
	if l.Post(func() {}) {
		t.Error("Post accepted after the end")
	}
	if err := l.Run(); err != ErrClosed {
		t.Errorf("Run again: %v, want ErrClosed", err)
	}
	peer, ours := tcpPair(t)
	if _, err := l.Adopt(ours, silent); err != ErrClosed {
		t.Errorf("Adopt: %v, want ErrClosed", err)
	}
	if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
		t.Error("refused conn was left open")
	}
}

func TestClose_BeforeRun(t *testing.T) {
	l, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ran := false
	l.Post(func() { ran = true })
	l.Close()
	if err := l.Run(); err != ErrClosed || !ran {
		t.Errorf("Run: %v, posted function ran: %v; want ErrClosed, true", err, ran)
	}
}

func TestAdopt_RefusesTLSItCannotSwitch(t *testing.T) {
	l := startLoop(t, Options{})
	cases := map[string]func(net.Conn) net.Conn{
		"transport not wrapped": func(nc net.Conn) net.Conn { return tls.Server(nc, serverTLS()) },
		"handshake not done":    func(nc net.Conn) net.Conn { return tls.Server(Wrap(nc), serverTLS()) },
	}
	for name, over := range cases {
		peer, ours := tcpPair(t)
		on(t, l, func() {
			if _, err := l.Adopt(over(ours), &hears{}); err == nil {
				t.Errorf("%s: adopted", name)
			}
		})
		if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: peer reads %v, want EOF", name, err)
		}
	}
}

func TestWrap_KeepsDeadlinesUntilAdoption(t *testing.T) {
	_, ours := tcpPair(t)
	w := Wrap(ours)
	if Wrap(w) != w {
		t.Error("wrapped twice")
	}
	w.SetReadDeadline(time.Unix(1, 0))
	var ne net.Error
	if _, err := w.Read(make([]byte, 1)); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("read past the deadline: %v", err)
	}
	// A deadline that has passed does not outlive the blocking phase.
	l := startLoop(t, Options{})
	c := adopt(t, l, w, &hears{failed: func(err error) { t.Errorf("OnError: %v", err) }})
	turns(t, l)
	on(t, l, func() {
		if got, want := c.RemoteAddr(), ours.RemoteAddr(); got.String() != want.String() {
			t.Errorf("RemoteAddr = %v, want %v", got, want)
		}
		if c.Loop() != l {
			t.Error("Loop is another")
		}
	})
}

func TestTimers_FireInOrderAndNotEarly(t *testing.T) {
	l := startLoop(t, Options{})
	fired := make(chan int, 10)
	on(t, l, func() {
		for _, ms := range []int{7, 1, 5, 3} {
			due := l.Now().Add(time.Duration(ms) * time.Millisecond)
			l.AfterFunc(time.Duration(ms)*time.Millisecond, func() {
				if time.Now().Before(due) {
					t.Errorf("timer of %d ms fired early", ms)
				}
				fired <- ms
			})
		}
	})
	for _, want := range []int{1, 3, 5, 7} {
		if got := await(t, fired); got != want {
			t.Errorf("timer of %d ms fired, want that of %d", got, want)
		}
	}
}

func TestTimer_StopKeepsItFromFiring(t *testing.T) {
	l := startLoop(t, Options{})
	done := make(chan struct{})
	on(t, l, func() {
		first := l.AfterFunc(time.Millisecond, func() { t.Error("stopped timer fired") })
		var second, third *Timer
		second = l.AfterFunc(2*time.Millisecond, func() {
			if second.Stop() {
				t.Error("Stop of a timer that fires: true")
			}
			if !third.Stop() {
				t.Error("Stop of a timer due at the same time: false")
			}
		})
		third = l.AfterFunc(2*time.Millisecond+1, func() { t.Error("timer stopped by its neighbour fired") })
		l.AfterFunc(10*time.Millisecond, func() { close(done) })
		if !first.Stop() || first.Stop() {
			t.Error("Stop: want true, then false")
		}
	})
	await(t, done)
}

func TestTimer_OfNoDelayLeavesTheLoopToOthers(t *testing.T) {
	l := startLoop(t, Options{})
	stop := false
	var again func()
	again = func() {
		if !stop {
			l.AfterFunc(0, again)
		}
	}
	on(t, l, again)
	turns(t, l)
	on(t, l, func() { stop = true })
}

func TestNow_StandsStillWithinATurn(t *testing.T) {
	l := startLoop(t, Options{})
	var first time.Time
	on(t, l, func() {
		first = l.Now()
		for time.Now().Equal(first) {
		}
		if !l.Now().Equal(first) {
			t.Error("the clock moved within a turn")
		}
	})
	turns(t, l)
	on(t, l, func() {
		if !l.Now().After(first) {
			t.Error("the clock stands")
		}
	})
}
