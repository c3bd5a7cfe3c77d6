package scale_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"overdrive/proxy/proxytest"
	"overdrive/proxy/proxytest/rig"
)

// ticks is how many ticks of a process's clock there are in a second.
const ticks = 100

// spentBy returns the processor time of a process.
func spentBy(t *testing.T, pid string) time.Duration {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
}

func spentHere() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) //nolint:errcheck // it cannot fail for this process
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measureRest tells what it costs for ever to look for changes: where nobody writes, and where somebody does all the time.
func measureRest(t *testing.T, pg *proxytest.Postgres, database string) {
	t.Helper()
	direct := rig.Direct(t, pg, database)
	keeper := rig.Ask(t, direct, "select pid from pg_stat_activity where query like '%pg_db_role_setting%' and pid <> pg_backend_pid() and datname = current_database()")
	keeper = strings.Trim(keeper, "{}[]() \n")
	for _, busy := range []bool{false, true} {
		const span = 30 * time.Second
		server, here, began := spentBy(t, keeper), spentHere(), time.Now()
		for time.Since(began) < span {
			if busy {
				rig.Ask(t, direct, "update t3 set a = a where id = 1; select pg_current_xact_id()")
			}
			time.Sleep(100 * time.Millisecond)
		}
		passed := time.Since(began)
		t.Log(fmt.Sprintf("at rest, somebody writes around the proxy: %v: keeper's server process %.2f %% of a core, proxy (and this test) %.2f %%", busy,
			100*(spentBy(t, keeper)-server).Seconds()/passed.Seconds(), 100*(spentHere()-here).Seconds()/passed.Seconds()))
	}
}
