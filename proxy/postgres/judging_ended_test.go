package postgres

import (
	"testing"

	"overdrive/proxy/postgres/session"
)

func TestClient_ThatEndsWaitsForNoVerdict(t *testing.T) {
	o := newTestOrigin()
	c := newClient(o)
	w := startWorker(t)
	ended := make(chan struct{})
	stopped := false
	w.Loop.Post(func() {
		defer close(ended)
		w.TakeOn(c)
		c.judgeStop = func() { stopped = true }
		c.Ended(session.ReasonPanic, nil)
	})
	if <-ended; !stopped {
		t.Error("its text is judged nevertheless")
	}
}
