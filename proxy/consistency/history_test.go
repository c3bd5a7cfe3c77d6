package consistency_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A history is what a checker knows of a database: every version that was ever given to a register, and what became of
// it. All that a client reads is judged by it. Safe for concurrent use.
//
// It needs no search for an order of all operations, since every write makes a version larger than all before it: a read
// is right if each version that it shows lies between the newest that was acknowledged, or shown to anybody, before the read
// was asked for, and those that were on their way when its answer came.
type history struct {
	began time.Time

	mu         sync.Mutex // guards the fields below and everything in registers, attempts and groups but turn
	registers  []*register
	violations []string
}

// A register is a row, or a table, whose state is one version that only grows.
type register struct {
	name  string
	index int        // in the history
	turn  sync.Mutex // held by who writes it, from before a version is issued until the outcome is known

	attempts []*attempt // by version; see forget
	told     int64      // newest version that was acknowledged to its writer, or shown to a reader
	toldTo   string     // to whom, how and when
	tellings []telling  // the last ones, in order: never empty
}

// A telling is the moment from which on a register was told of in this version.
type telling struct {
	version int64
	at      time.Duration
}

// An outcome is what is known of a write.
type outcome uint8

const (
	open       outcome = iota // nothing that could commit it has been sent
	ending                    // what commits it may be under way
	committed                 // acknowledged
	rolledBack                // certain not to have happened
	unknown                   // nobody was told, so it may or may not have happened, or happen yet
)

func (o outcome) String() string {
	return [...]string{"open", "under way", "committed", "rolled back", "of unknown outcome"}[o]
}

// An attempt is one version of one register.
type attempt struct {
	register *register
	version  int64
	present  bool // the row exists in this version, or the right is granted
	group    *group
	how      string
	outcome  outcome
	issued   time.Duration
	ended    time.Duration
	seenBy   string // the first reader to be shown it before its outcome was known
}

// A group is a transaction's attempts.
type group struct {
	who      string
	attempts []*attempt
}

// newHistory returns one in which nothing has happened.
func newHistory() *history { return &history{began: time.Now()} }

func (h *history) now() time.Duration { return time.Since(h.began) }

// add makes a register that has version 1.
func (h *history) add(name string) *register {
	r := &register{name: name, index: len(h.registers), told: 1, toldTo: "the schema", tellings: []telling{{version: 1}}}
	r.attempts = []*attempt{{register: r, version: 1, present: true, group: &group{who: "the schema"}, outcome: committed}}
	h.registers = append(h.registers, r)
	return r
}

// issue gives the next version of r to a group. Call it with r's turn held, before the statement is sent.
func (h *history) issue(g *group, r *register, how string, present bool) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := &attempt{register: r, present: present, group: g, how: how, issued: h.now()}
	a.version = r.attempts[len(r.attempts)-1].version + 1
	r.attempts = append(r.attempts, a)
	g.attempts = append(g.attempts, a)
	return a.version
}

// set notes what is known of a group's attempts from the nth on, other than those that were rolled back before.
func (h *history) set(g *group, n int, o outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range g.attempts[n:] {
		if a.outcome == rolledBack {
			continue
		}
		a.outcome, a.ended = o, h.now()
		switch {
		case o == committed:
			a.register.tell(a.version, a.ended, fmt.Sprintf("acknowledged to %s at %v", g.who, stamp(a.ended)))
		case o == rolledBack && a.seenBy != "":
			h.blame(fmt.Sprintf("%s was shown version %d of %s, which was rolled back", a.seenBy, a.version, a.register.name), a.register)
		}
	}
}

// known says that it is known how a group ended.
func (h *history) known(g *group) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := g.attempts[len(g.attempts)-1].outcome
	return last != open && last != ending
}

const (
	// remembered is longer than any answer is on its way. An answer may show what was told when it was asked for, and all
	// later versions.
	remembered = time.Minute
	// kept is how many attempts of a register are remembered below those, for messages.
	kept = 8
)

// tell notes at which moment, and to whom, a version was told of.
func (r *register) tell(version int64, now time.Duration, to string) {
	if version <= r.told {
		return
	}
	r.told, r.toldTo = version, to
	r.tellings = append(r.tellings, telling{version, now})
	r.forget(now)
}

// forget drops the attempts that no answer which is still awaited may show: those below what was told a minute ago. That is
// not the newest but one, and may be any number of attempts below it, since one that is rolled back is never told of.
func (r *register) forget(now time.Duration) {
	for len(r.tellings) > 1 && r.tellings[1].at <= now-remembered {
		r.tellings = r.tellings[1:]
	}
	if needed, _ := r.find(r.tellings[0].version); needed > 16*kept {
		r.attempts = slices.Delete(r.attempts, 0, needed-kept)
	}
}

// find returns the place of a version.
func (r *register) find(version int64) (int, bool) {
	return slices.BinarySearchFunc(r.attempts, version, func(a *attempt, v int64) int { return int(a.version - v) })
}

// floors fills dst with what must be seen of every register by what is asked from now on.
func (h *history) floors(dst []int64) []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	dst = dst[:0]
	for _, r := range h.registers {
		dst = append(dst, r.told)
	}
	return dst
}

// A sighting is one register in an answer. Without a version only whether it was present is known.
type sighting struct {
	register *register
	version  int64
	present  bool
}

// A reading is one answer to one statement.
type reading struct {
	who, sql, form  string
	asked, answered time.Duration
	floors          []int64             // by register, as they were when it was asked
	group           *group              // the transaction that it stands in, nil: none
	written         int                 // how many attempts of that come before it
	snapshot        map[int64]int64     // of a repeatable read transaction: what it has seen, by register
	before          map[*register]int64 // what earlier answers of the same pipeline have shown
	sightings       []sighting
	broken          string // what is wrong with the answer in itself
}

// judge checks a reading, and has everybody who reads later see no less. It returns what is wrong, or "".
func (h *history) judge(r *reading) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []*register
	wrong := r.broken
	for _, s := range r.sightings {
		all = append(all, s.register)
		if wrong == "" {
			wrong = r.judge(s)
		}
	}
	if wrong == "" {
		wrong = r.torn()
	}
	if wrong != "" {
		h.blame(fmt.Sprintf("%s asked in the form %q at %v\n\t%s\nand was answered at %v: %s", r.who, r.form, stamp(r.asked), r.sql,
			stamp(r.answered), wrong), all...)
		return wrong
	}
	for _, s := range r.sightings {
		if s.version > 0 && r.wrote(s.register) == nil {
			s.register.tell(s.version, h.now(), fmt.Sprintf("shown to %s at %v", r.who, stamp(r.answered)))
		}
	}
	return ""
}

// wrote returns what the reader's own transaction wrote last, and has not taken back.
func (r *reading) wrote(reg *register) *attempt {
	if r.group == nil {
		return nil
	}
	for _, a := range slices.Backward(r.group.attempts[:r.written]) {
		if a.register == reg && a.outcome != rolledBack {
			return a
		}
	}
	return nil
}

// judge checks one sighting.
func (r *reading) judge(s sighting) string {
	floor, mine := r.floors[s.register.index], r.wrote(s.register)
	switch i, known := s.register.find(s.version); {
	case s.version == 0 && mine != nil && s.present != mine.present:
		return fmt.Sprintf("%s is shown with present=%v, but the same transaction wrote %v", s.register.name, s.present, mine.present)
	case s.version == 0 && mine == nil:
		return r.judgePresence(s, floor)
	case s.version == 0:
	case mine != nil && s.version != mine.version:
		return fmt.Sprintf("%s is shown in version %d, but the same transaction wrote %d", s.register.name, s.version, mine.version)
	case mine != nil:
	case s.version < floor:
		return fmt.Sprintf("%s is shown in version %d, want %d at least", s.register.name, s.version, floor)
	case s.version < r.before[s.register]:
		return fmt.Sprintf("%s is shown in version %d, but an earlier answer of the same pipeline showed %d", s.register.name, s.version,
			r.before[s.register])
	case !known:
		return fmt.Sprintf("%s is shown in version %d, which nobody wrote", s.register.name, s.version)
	default:
		a := s.register.attempts[i]
		if a.outcome == open || a.outcome == rolledBack || a.group == r.group {
			return fmt.Sprintf("%s is shown in version %d, which is %v", s.register.name, s.version, a.outcome)
		}
		if a.outcome == ending && a.seenBy == "" {
			a.seenBy = r.who
		}
		return r.judgeSnapshot(s)
	}
	return ""
}

// judgePresence checks that the row was there, or not there, in a version that may be shown.
func (r *reading) judgePresence(s sighting, floor int64) string {
	first, _ := s.register.find(floor)
	for _, a := range s.register.attempts[first:] {
		if a.present == s.present && a.outcome != open && a.outcome != rolledBack {
			return ""
		}
	}
	return fmt.Sprintf("present=%v is shown for %s, which no version from %d on agrees with", s.present, s.register.name, floor)
}

func (r *reading) judgeSnapshot(s sighting) string {
	if r.snapshot == nil {
		return ""
	}
	seen, ok := r.snapshot[int64(s.register.index)]
	if ok && seen != s.version {
		return fmt.Sprintf("%s is shown in version %d, but in the same snapshot it was %d before", s.register.name, s.version, seen)
	}
	r.snapshot[int64(s.register.index)] = s.version
	return ""
}

// torn finds a transaction of which the reading shows one part and not the other. All that one statement shows is of one
// moment.
func (r *reading) torn() string {
	shown := map[*register]int64{}
	for _, s := range r.sightings {
		if v, ok := shown[s.register]; ok && v != s.version {
			return fmt.Sprintf("%s is shown in the versions %d and %d at once", s.register.name, v, s.version)
		}
		shown[s.register] = s.version
	}
	for _, s := range r.sightings {
		i, known := s.register.find(s.version)
		if !known || s.register.attempts[i].group == r.group { // its own transaction may be half done
			continue
		}
		for _, other := range s.register.attempts[i].group.attempts {
			v, ok := shown[other.register]
			if ok && v > 0 && v < other.version && other.outcome != rolledBack && other.outcome != open {
				return fmt.Sprintf("one transaction wrote version %d of %s and %d of %s, but the latter is shown in version %d",
					s.version, s.register.name, other.version, other.register.name, v)
			}
		}
	}
	return ""
}

// blame notes a violation, with the last operations on the registers concerned. Call it with mu held.
func (h *history) blame(what string, registers ...*register) {
	var b strings.Builder
	b.WriteString(what)
	named := slices.DeleteFunc(slices.Clone(registers), func(r *register) bool { return !strings.Contains(what, r.name) })
	if len(named) > 0 {
		registers = named
	}
	slices.SortFunc(registers, func(x, y *register) int { return x.index - y.index })
	for _, r := range slices.Compact(registers) {
		fmt.Fprintf(&b, "\n%s must be %d at least now, %s:", r.name, r.told, r.toldTo)
		for _, a := range r.attempts[max(0, len(r.attempts)-kept):] {
			fmt.Fprintf(&b, "\n\t%d issued %v, %v %v, by %s: %s", a.version, stamp(a.issued), a.outcome, stamp(a.ended), a.group.who, a.how)
		}
	}
	h.violations = append(h.violations, b.String())
}

// violated returns the violations so far.
func (h *history) violated() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.violations)
}

// noteLast adds a line to what a reading was blamed for.
func (h *history) noteLast(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.violations[len(h.violations)-1] += "\n" + line
}

// stamp makes a moment short to read.
func stamp(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
