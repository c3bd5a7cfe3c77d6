package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/proxy/proxytest"
	"overdrive/querycache/sqlscan/hostile"
)

// A canary asks small questions all the while that need no server: one that every loop answers at once, and one that was never
// asked before and so must be judged.
type canary struct{ worst, answers atomic.Int64 }

func (c *canary) sing(ctx context.Context, conn *pgconn.PgConn) error {
	for i := 0; ctx.Err() == nil; i++ {
		for _, sql := range []string{"show overdrive.status", fmt.Sprintf("show overdrive.unknown_%d", i)} {
			start := time.Now()
			_, err := conn.Exec(ctx, sql).ReadAll()
			if ctx.Err() != nil {
				return nil
			}
			if err != nil && !strings.Contains(err.Error(), "unrecognized configuration parameter") {
				return err
			}
			c.worst.Store(max(c.worst.Load(), int64(time.Since(start))))
			c.answers.Add(1)
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// worstOf returns how long the canary had to wait at most for what it asked while f ran.
func (c *canary) worstOf(t *testing.T, f func()) time.Duration {
	c.worst.Store(0)
	f()
	for seen, end := c.answers.Load(), time.Now().Add(rig.Patience); c.answers.Load() < seen+2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the canary is silent")
		}
	}
	return time.Duration(c.worst.Load())
}

// maxStall is how long others may wait because of one text.
const maxStall = 250 * time.Millisecond

// dearTexts are some that take, or once took, the longest.
var dearTexts = []string{
	"parentheses", "an IN list", "plus", "signs", "many names", "quoted names", "many WITH queries", "casts", "ISNULL", "CREATE ROLE",
	"statements", "SET of one name", "set_config", "set_config for the transaction", "pg_settings", "DOs",
}

func TestJudging_HostileTextsDoNotHoldUpOthers(t *testing.T) {
	in := rig.Start(t, rig.Setup{Upstream: proxytest.SharedPostgres(t).Addr(), Database: "postgres", Size: 4})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var c canary
	song := make(chan error, 1)
	conn := in.Connect(t, "postgres")
	go func() { song <- c.sing(ctx, conn) }()
	for _, text := range hostile.Texts() {
		if !slices.Contains(dearTexts, text.Name) {
			continue
		}
		sizes := []int{60 << 10, 250 << 10}
		switch text.Name { // these take PostgreSQL the square of their length, in which it hears of no cancel
		case "signs", "SET of one name":
			sizes = []int{30 << 10}
		case "many WITH queries":
			sizes = sizes[:1]
		}
		for _, size := range sizes {
			sql := text.Make(size)
			stall := maxStall + 1
			for attempt := 0; attempt < 12 && stall > maxStall; attempt++ { // the machine itself may stall
				stall = min(stall, c.worstOf(t, func() { say(t, in, sql) }))
			}
			if stall > maxStall {
				t.Errorf("%s of %d bytes: others waited %v", text.Name, size, stall)
			}
			t.Logf("%-36s %6d %v", text.Name, size, stall)
		}
	}
	stop()
	if err := <-song; err != nil {
		t.Error(err)
	}
}

// say has a client of its own send a text, and waits for the answer, but not for long.
func say(t *testing.T, in *rig.Instance, sql string) {
	conn := in.Connect(t, "postgres")
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	_, _ = conn.Exec(ctx, sql).ReadAll()
	_ = conn.Close(ctx)
}
