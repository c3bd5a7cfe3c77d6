package session

import (
	"strings"
	"testing"
)

func TestSessionState_AStepThatIsNotInTheTablePanics(t *testing.T) {
	for from := range sessionState(states) {
		for to := range sessionState(states) {
			s := &Session{standing: standing{state: from}}
			func() {
				defer func() {
					fault, _ := recover().(string)
					allowed := successors[from]&(1<<to) != 0
					switch {
					case allowed && (fault != "" || s.state != to):
						t.Errorf("%v, %v: got %v, %q", from, to, s.state, fault)
					case !allowed && (s.state != from || !strings.Contains(fault, from.String()) || !strings.Contains(fault, to.String())):
						t.Errorf("%v, %v: got %v, %q, want a panic that names both", from, to, s.state, fault)
					}
				}()
				s.enter(to)
			}()
		}
	}
}

func TestSessionState_EveryOneHasAWordAndEndsInGone(t *testing.T) {
	words := make(map[string]bool)
	for s := range sessionState(states) {
		words[s.String()] = true
		if s != gone && successors[s]&(1<<gone) == 0 {
			t.Errorf("%v cannot end", s)
		}
	}
	if len(words) != states || successors[gone] != 0 {
		t.Errorf("%d words for %d states; gone has successors: %v", len(words), states, successors[gone] != 0)
	}
}
