package querycache

import (
	"fmt"
	"strings"
	"testing"
)

func TestSetMaxBytes_DropsWhatDoesNotFitAnyMore(t *testing.T) {
	t.Parallel()
	c, _ := newTestCache(4 << 20)
	d := c.Database("a", defaultPolicy)
	for i := range 200 {
		fill(t, d, fmt.Sprint("key ", i), strings.Repeat("x", 8<<10), reading(1))
	}
	before := c.UsedBytes()
	c.SetMaxBytes(1 << 20)
	if got := c.UsedBytes(); got > 1<<20 || before <= 1<<20 {
		t.Errorf("%d bytes are used, %d before, and the budget is %d", got, before, 1<<20)
	}
	if n := d.Stats().Entries; n == 0 {
		t.Error("nothing is left of what fits")
	}
	c.SetMaxBytes(4 << 20)
	for i := range 200 {
		fill(t, d, fmt.Sprint("key ", i), strings.Repeat("x", 8<<10), reading(1))
	}
	if got := c.UsedBytes(); got <= 1<<20 {
		t.Errorf("with the old budget again only %d bytes are used", got)
	}
}
