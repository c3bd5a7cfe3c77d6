//go:build linux

package faults

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// FAULTS in the environment names the faults to try by a part of their names; "all" is all of them. Without it a few are
// tried, under limits for a machine that may be busy.
var chosen, isChosen = os.LookupEnv("FAULTS")

// tried returns whether the fault is tried with the cache on, and with the cache off.
func (f *fault) tried() []bool {
	switch {
	case !isChosen:
		return f.quick
	case chosen == "all" || strings.Contains(f.name, chosen):
		return []bool{true, false}
	}
	return nil
}

// patient is a limit on this run.
func patient(limit time.Duration) time.Duration {
	if isChosen {
		return limit
	}
	return slack * limit
}

// After every fault everything is as before: clients get the right answers, and nothing is held that was not.
func TestFaults_EverythingComesBack(t *testing.T) {
	lab, program := newLab(t), build(t)
	fmt.Println(header)
	for _, f := range faults {
		for _, cache := range f.tried() {
			name := f.name + ", cache off"
			if cache {
				name = f.name + ", cache on"
			}
			t.Run(name, func(t *testing.T) {
				lab.t, lab.relay.tb = t, t
				(&trial{t: t, lab: lab, fault: f, cache: cache}).run(program)
			})
		}
	}
}

// A trial is one fault against one proxy.
type trial struct {
	t     *testing.T
	lab   *lab
	fault fault
	cache bool

	program       *process
	load          *load
	before, after state
	during        tally
	over          time.Time // when the fault was
	recovered     time.Duration
	cached        time.Duration // from the end of the fault until a statement hit
}

func (r *trial) run(program string) {
	t := r.t
	r.lab.fresh()
	r.program = serve(t, program, r.lab.configuration(r.cache, r.fault.parameters))
	r.lab.proxy = r.config(role, database)
	defer r.lab.dismiss()
	r.load = newLoad(r.lab.proxy)
	defer r.load.end()

	r.settle("before the fault")
	r.before = r.rest("before the fault")

	r.load.outage.Store(int64(patient(r.fault.lasts)))
	r.load.wake()
	time.Sleep(steady / 2)
	r.fault.strike(r.lab)
	r.over = time.Now()
	r.settle("after the fault")
	r.load.outage.Store(0)

	time.Sleep(steady)
	r.calm("after the fault")
	r.after = r.rest("after the fault")
	r.load.wake()
	r.compare()
	r.finish()
	fmt.Println(r)
}

// settle waits until everybody has written, and keeps the errors until then.
func (r *trial) settle(when string) {
	limit := r.fault.recovery
	if limit == 0 {
		limit = limits.recovery
	}
	if r.during.codes == nil { // everything is new to everybody
		limit = patient(limits.recovery) * slack
	}
	took, ok := r.load.awaitWrites(patient(limit))
	r.recovered = took
	if !ok {
		r.t.Errorf("%s: after %v not every client has written", when, took)
		// What holds them is seen in the figures.
	}
	r.during = r.load.tally()
	allowed := r.fault.codes
	if strings.HasPrefix(when, "before") {
		allowed = ""
	}
	if !isChosen {
		allowed += " " + overdue // on a machine that is busy otherwise any statement may be
	}
	if n := r.during.codes[noCode]; n > limits.wordless && !strings.Contains(allowed, noCode) {
		r.t.Errorf("%s: %d clients lost their connection without a word, the first:\n\t%s", when, n, r.during.samples[noCode][0])
	}
	for _, sample := range r.during.outside(allowed + " " + noCode) {
		r.t.Errorf("%s: %s", when, sample)
	}
	r.load.forget()
}

// calm wants no error since the last look but those that a slow machine makes.
func (r *trial) calm(when string) {
	for _, sample := range r.load.tally().outside(overdue) {
		r.t.Errorf("%s, when all had recovered: %s", when, sample)
	}
	r.load.forget()
}

// finish ends everything and looks at what is left.
func (r *trial) finish() {
	r.load.end()
	r.lab.dismiss()
	if err := r.program.stop(patient(limits.stop)); err != nil {
		r.t.Error(err)
	}
	for what, list := range map[string][]string{"wrong": r.load.wrongs, "hanging": r.load.hangs, "the tables": r.lab.audit(r.load.clients)} {
		for _, text := range list[:min(len(list), 5)] {
			r.t.Errorf("%s (1 of %d): %s", what, len(list), text)
		}
	}
	if r.t.Failed() {
		r.t.Logf("the program's last words:\n%s", strings.Join(r.program.log[max(0, len(r.program.log)-10):], "\n"))
	}
}

// config is how a driver logs in at the proxy.
func (r *trial) config(user, database string) *pgconn.Config {
	c, err := pgconn.ParseConfig(fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", user, r.program.address, database))
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// console asks the proxy's console.
func (r *trial) console(command string) []map[string]string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, r.config("admin", "overdrive"))
	if err != nil {
		r.t.Fatalf("console: %v", err)
	}
	defer conn.Close(ctx)
	all, err := conn.Exec(ctx, command).ReadAll()
	if err != nil {
		r.t.Fatalf("%s: %v", command, err)
	}
	var list []map[string]string
	for _, row := range all[0].Rows {
		named := map[string]string{}
		for i, value := range row {
			named[all[0].FieldDescriptions[i].Name] = string(value)
		}
		list = append(list, named)
	}
	return list
}
