package querycache

import (
	"testing"
	"time"
)

func TestDatabase_ShorterMaxAgeHoldsForWhatIsKept(t *testing.T) {
	c, clock := newTestCache(1 << 20)
	d := c.Database("shop", defaultPolicy)
	v := reading(1)
	fill(t, d, "k", "rows", v)
	clock.now = time.Minute
	expect(t, "at max age", get(d, "k", v), "hit:rows")
	c.Database("shop", Policy{Enabled: true, MaxAge: time.Second})
	expect(t, "after a shorter max age", get(d, "k", v), "miss")
	d.SetPolicy(defaultPolicy)
	fill(t, d, "k", "rows", v)
	clock.now = 2 * time.Minute
	expect(t, "filled a minute ago", get(d, "k", v), "hit:rows")
	clock.now++
	expect(t, "too old", get(d, "k", v), "miss")
	d.SetPolicy(Policy{})
	expect(t, "disabled", get(d, "k", v), "disabled")
	if begin(d, "k", v) != nil {
		t.Error("fill of a disabled database began")
	}
}
