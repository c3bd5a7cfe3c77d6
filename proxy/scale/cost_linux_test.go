package scale_test

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

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

// TestScale_CostsLittleAtRest tells what it costs for ever to look for changes: where nobody writes, and where somebody does all the time.
func TestScale_CostsLittleAtRest(t *testing.T) {
	tables, asked := manyTables(t)
	if !asked {
		t.Skip("OVERDRIVE_SCALE is not set")
	}
	const database = "rest"
	in, pg := start(t, database, tables)
	for _, c := range connectPaths(t, in, database) {
		settle(t, c, "select id, a from t7")
	}
	direct := rig.Direct(t, pg, database)
	servers := strings.Fields(rig.Ask(t, direct, `select string_agg(pid::text, ' ') from pg_stat_activity
		where backend_type = 'client backend' and pid <> pg_backend_pid() and datname = current_database()`))
	spent := func() (all time.Duration) {
		for _, pid := range servers {
			all += spentBy(t, strings.Trim(pid, "[]{}()"))
		}
		return all
	}
	for _, busy := range []bool{false, true} {
		const span = 30 * time.Second
		server, here, began := spent(), spentHere(), time.Now()
		for time.Since(began) < span {
			if busy {
				rig.Ask(t, direct, "select txid_current()")
			}
			time.Sleep(100 * time.Millisecond)
		}
		passed := time.Since(began).Seconds()
		t.Logf("somebody writes around the proxy: %v. The server's processes take %.2f %% of a core, the proxy and this test %.2f %%", busy,
			100*(spent()-server).Seconds()/passed, 100*(spentHere()-here).Seconds()/passed)
	}
}
