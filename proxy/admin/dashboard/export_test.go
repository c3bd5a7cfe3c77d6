package dashboard

import (
	"time"

	"overdrive/proxy"
	"overdrive/proxy/traffic"
)

// What the tests in a browser use of the others.

// FakeProxy is what the dashboard is about.
type FakeProxy = fakeProxy

var (
	NewFake = newFake
	NewTest = newTest
	Shapes  = shapes
)

const (
	StatusHit  = statusHit
	StatusMiss = statusMiss
)

func (f *fakeProxy) Answered(status int, by traffic.Answerer, took time.Duration, times int) {
	f.answered(status, by, took, times)
}

func (f *fakeProxy) Purges() string { return f.purges() }

func (f *fakeProxy) SetQueries(list []proxy.QueryStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries = list
}

// SetUser names the user of shop's pool; it must come before the page is opened.
func (f *fakeProxy) SetUser(name string) { f.pools[0].User = name }
