package session

import (
	"fmt"
	"path/filepath"
	"testing"
)

// TestMachine_SurvivesDeathAtEveryByte plays each script up to every byte that anybody sends, has that actor die there, by a
// reset or by closing its side, and looks at what is left: when the other clients have gone too and all timers have run
// out, every session has ended and every server is at rest in the pool, or closed.
func TestMachine_SurvivesDeathAtEveryByte(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../../testdata/machine/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			sc, err := readMachineScript(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range sc.lines {
				if len(l.bytes) > 10000 { // a long message has nothing new to show
					return
				}
			}
			step := 1
			if testing.Short() {
				step = 13
			}
			for n := 0; ; n += step {
				for _, by := range []string{"reset", "eof"} {
					problem, over := sc.perish(n, by)
					if problem != "" {
						t.Fatalf("%s at byte %d: %s", by, n, problem)
					}
					if over {
						return
					}
				}
			}
		})
	}
}

// perish plays a script up to the n-th byte that is sent, where the sender dies. over: the script has no such byte.
func (sc *machineScript) perish(n int, by string) (problem string, over bool) {
	p := &performance{stage: newStageWithout(sc.setup), script: sc, wants: map[string][]byte{}}
	p.fail = func(format string, args ...any) {
		if problem == "" {
			problem = fmt.Sprintf("line %d: %s\n\t", p.line.number, p.line.text) + fmt.Sprintf(format, args...)
		}
	}
	dead := false
	for _, p.line = range sc.lines {
		switch {
		case p.line.verb == "sends":
			b := p.line.bytes
			dead = n < len(b)
			p.peer(p.line.actor).send(b[:min(n, len(b))])
			n -= min(n, len(b))
			p.settle()
		case acting[p.line.verb]:
			p.direct(p.line.verb, p.line.args)
		}
		if dead {
			break
		}
	}
	if !dead {
		return problem, true
	}
	r := p.peer(p.line.actor)
	if r.eof = by == "eof"; !r.eof {
		r.broken = errTestReset
	}
	p.settle()
	p.expireAll()
	return problem, false
}

// acting are the directives that do something and need no more than the actors that are there.
var acting = map[string]bool{
	"connect": true, "prefer": true, "eof": true, "reset": true, "stick": true, "unstick": true, "cancel": true, "clock": true,
	"catalog": true, "drain": true,
}

// expireAll has everybody leave who is left, and looks at what remains.
func (st *stage) expireAll() {
	for _, c := range st.clients {
		c.peer.stuck = false
		c.peer.broken = errTestReset
	}
	st.settle()
	for len(st.broker.cancels) > 0 {
		st.broker.cancelArrives(nil)
	}
	st.runTimers()
	for _, c := range st.clients {
		if !c.ended {
			st.fail("%s is gone and its session is not", c.name)
		}
	}
	for _, v := range st.servers {
		if !v.pooled && !v.gone {
			st.fail("%s is neither in the pool nor closed", v.name)
		}
	}
}
