package session

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
)

// A machineScript is a play for a stage, read from a file of testdata/machine.
type machineScript struct {
	setup setup
	lines []scriptLine
}

type scriptLine struct {
	number int
	text   string
	actor  string // of a message
	verb   string // "sends", "gets", or a directive
	bytes  []byte
	args   arguments
}

func readMachineScript(path string) (*machineScript, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sc := &machineScript{}
	number := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		l, err := parseScriptLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		l.number, l.text = number, line
		if l.verb == "stage" {
			err = sc.setup.parse(l.args)
		} else {
			sc.lines = append(sc.lines, l)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
	}
	return sc, nil
}

func parseScriptLine(line string) (l scriptLine, err error) {
	head, rest, _ := strings.Cut(line, " ")
	ts, err := tokens(rest)
	if err != nil {
		return l, err
	}
	actor, direction := head[:len(head)-1], head[len(head)-1]
	if direction != '>' && direction != '<' {
		return scriptLine{verb: head, args: ts}, nil
	}
	l = scriptLine{actor: actor, verb: "sends"}
	fromServer := isServer(actor)
	if direction == '<' {
		l.verb, fromServer = "gets", !fromServer
	}
	if len(ts) == 0 {
		return l, fmt.Errorf("no message")
	}
	makeMessage := clientMessage
	if fromServer {
		makeMessage = serverMessage
	}
	var ok bool
	if l.bytes, ok = makeMessage(ts[0].text, arguments(ts[1:])); !ok {
		return l, fmt.Errorf("%q is no such message", ts[0].text)
	}
	return l, nil
}

func isServer(actor string) bool { return strings.HasPrefix(actor, "server") }

// parse reads the words behind "stage".
func (o *setup) parse(a arguments) error {
	for _, word := range a.texts(0) {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case name == "servers":
			if _, err := fmt.Sscan(value, &o.servers); err != nil {
				return err
			}
		case name == "begins":
			o.begins = true
		case name == "cache":
			o.cache = true
		case name == "blind":
			o.blind = true
		case word == "mode=session":
			o.mode = SessionPooling
		case word == "mode=statement":
			o.mode = StatementPooling
		case word == "on_pin=error":
			o.refusesPins = true
		case name == "unseen":
			o.unseen = true
		case name == "listener":
			o.listener = true
		default:
			return fmt.Errorf("no such stage: %q", word)
		}
	}
	return nil
}

// A performance is one run of a script.
type performance struct {
	*stage
	script *machineScript
	wants  map[string][]byte // what each actor is to get before the next line that sends
	failed string
	line   scriptLine
}

// perform runs a script and returns what went wrong, and the sizes of the chunks that were sent.
func (sc *machineScript) perform(cut cutter, later bool) (problem string, sizes []int) {
	o := sc.setup
	o.later = later
	o.cut = func(chunk int, b []byte) [][]byte {
		sizes = append(sizes, len(b))
		return cut(chunk, b)
	}
	p := &performance{stage: newStageWithout(o), script: sc, wants: map[string][]byte{}}
	p.fail = func(format string, args ...any) {
		if p.failed == "" {
			p.failed = fmt.Sprintf("line %d: %s\n\t", p.line.number, p.line.text) + fmt.Sprintf(format, args...)
		}
	}
	for i := 0; i < len(sc.lines) && p.failed == ""; i++ {
		p.line = sc.lines[i]
		switch actor := p.line.actor; p.line.verb {
		case "gets":
			p.wants[actor] = append(p.wants[actor], p.line.bytes...)
		case "sends":
			chunk := p.line.bytes
			for ; i+1 < len(sc.lines) && sc.lines[i+1].verb == "sends" && sc.lines[i+1].actor == actor; i++ {
				chunk = slices.Concat(chunk, sc.lines[i+1].bytes)
			}
			p.peer(actor).send(chunk)
			p.settle()
		case "greeted":
			p.greeted(p.line.args.text(0), p.line.args.texts(1))
		default:
			if !p.direct(p.line.verb, p.line.args) {
				continue
			}
		}
		if i+1 == len(sc.lines) || sc.lines[i+1].verb != "gets" && sc.lines[i+1].verb != "greeted" {
			p.compare()
		}
	}
	if p.failed == "" {
		p.line.text += " (end of the script)"
		p.compare()
	}
	return p.failed, sizes
}

// peer finds an actor. Clients connect when they are first named.
func (p *performance) peer(name string) *recorder {
	if isServer(name) {
		v := p.server(name)
		if v == nil {
			v = p.broker.newServer()
			v.pooled = true
			if v.name != name {
				p.fail("the next server is %s, not %s", v.name, name)
			}
		}
		return v.peer
	}
	if p.client(name) == nil {
		p.connect(name)
	}
	return p.client(name).peer
}

// compare checks that all actors got what they were to get, and nothing else.
func (p *performance) compare() {
	for _, r := range p.sockets {
		want := p.wants[r.name]
		if !like(r.got, want) {
			p.fail("%s got\n\t%s\nwant\n\t%s", r.name, show(r.got), show(want))
		}
		r.got = nil
		delete(p.wants, r.name)
	}
	for name, want := range p.wants {
		p.fail("%s is not there; want\n\t%s", name, show(want))
	}
}

// direct follows a directive, and reports whether it does something, rather than ask how things stand.
func (p *performance) direct(verb string, a arguments) (acts bool) {
	name := a.text(0)
	switch verb {
	case "connect":
		var raw []settings.Setting
		for _, word := range a.texts(1) {
			key, value, _ := strings.Cut(word, "=")
			raw = append(raw, settings.Of(key, value))
		}
		p.arrive(name, raw...)
	case "prefer":
		p.broker.prefer = name
	case "eof":
		p.peer(name).eof = true
	case "reset":
		p.peer(name).broken = errTestReset
	case "stick":
		p.peer(name).stuck = true
	case "unstick":
		p.peer(name).unstick()
	case "cancel":
		s := p.client(name).session
		p.event(func() { s.Cancel(func() {}) })
	case "arrives":
		if len(p.broker.cancels) == 0 {
			p.fail("no cancel request is on its way")
			break
		}
		p.broker.cancelArrives(nil)
	case "timers":
		p.runTimers()
	case "drain":
		s := p.client(name).session
		p.event(func() { p.space.scratch.reset(); s.Drain() })
	case "refuse":
		s := p.broker.queue[0]
		p.broker.queue = p.broker.queue[1:]
		p.event(func() {
			s.Refused(pgwire.ErrorReport{Severity: "FATAL", Code: pgwire.CodeAdminShutdown, Message: "the proxy is shutting down"})
		})
	case "clock":
		d, err := time.ParseDuration(name)
		if err != nil {
			p.fail("%v", err)
		}
		p.clock += d
	case "catalog":
		p.learnCatalog()
	case "hears":
		p.hears(p.client(name), a)
	default:
		p.inspect(verb, name, a)
		return false
	}
	p.settle()
	return true
}

// inspect asks how things stand.
func (p *performance) inspect(verb, name string, a arguments) {
	p.line.text = verb + " " + name
	is := false
	switch verb {
	case "held":
		is = p.client(name).session.srv != nil && (len(a) < 2 || p.client(name).session.srv == p.server(a.text(1)).conn)
	case "released":
		is = p.client(name).session.srv == nil
	case "pooled":
		is = p.server(name) != nil && p.server(name).pooled
	case "waiting":
		is = p.client(name).session.state == waiting
	case "gone":
		is = p.server(name).gone
	case "cleaning":
		is = p.server(name).cleaning()
	case "paused":
		is = p.peer(name).paused
	case "reading":
		is = !p.peer(name).paused
	case "alive":
		is = p.client(name).session.state < leaving
	case "closed":
		is = p.client(name).ended && p.client(name).peer.closed
	case "cancelled":
		is = slices.Equal(p.broker.cancelled, a.texts(0))
	case "orders":
		is = slices.Equal(p.orders, a.texts(0))
		if !is {
			p.fail("the listener has orders %q", p.orders)
		}
		p.orders = nil
	case "never": // taken: as many servers exist as were asked for
		is = len(p.servers) == 0
	default:
		p.fail("no such directive")
		return
	}
	if !is {
		p.fail("this does not hold")
	}
}

// greeted checks the greeting of a client: the values of some of the parameters, and that nothing stands behind it.
func (p *performance) greeted(name string, params []string) {
	r := p.peer(name)
	told, rest := readGreeting(r.got)
	if told == nil {
		p.fail("%s was not greeted but got\n\t%s", name, show(r.got))
		return
	}
	for _, word := range params {
		key, value, _ := strings.Cut(word, "=")
		if got, ok := told[key]; !ok || got != value {
			p.fail("%s was told %s=%q, want %q", name, key, got, value)
		}
	}
	r.got = rest
}

// readGreeting reads what comes up to the first ReadyForQuery. told is nil if there is none.
func readGreeting(b []byte) (told map[string]string, rest []byte) {
	params := map[string]string{}
	for _, m := range cutMessages(b) {
		b = b[len(m):]
		switch m[0] {
		case 'S':
			f := strings.Split(string(m[5:]), "\x00")
			params[f[0]] = f[1]
		case 'Z':
			return params, b
		}
	}
	return nil, b
}

// cutMessages cuts a stream of whole messages.
func cutMessages(b []byte) (ms [][]byte) {
	for len(b) > 0 {
		m, _, _, ok := cutMessage(b)
		if !ok {
			return append(ms, b)
		}
		ms = append(ms, m)
		b = b[len(m):]
	}
	return ms
}

// TestMachine_Scripts runs each script with its chunks whole, byte by byte, cut in two at every place, and cut
// at random; each time with servers granted at once and with servers granted later.
func TestMachine_Scripts(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../../testdata/machine/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			sc, err := readMachineScript(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, later := range []bool{false, true} {
				sc.everySplit(t, later)
			}
		})
	}
}

// stride leaves places out amid long chunks, where one is like another.
func stride(at, size int) int {
	if size < 2000 || at < 20 || size-at < 20 {
		return 1
	}
	return min(1+size/20, size-at-10)
}

func (sc *machineScript) everySplit(t *testing.T, later bool) {
	t.Helper()
	run := func(how string, cut cutter) (sizes []int, ok bool) {
		problem, sizes := sc.perform(cut, later)
		if problem != "" {
			t.Errorf("%s, granted later %v: %s", how, later, problem)
		}
		return sizes, problem == ""
	}
	sizes, ok := run("whole", whole)
	if !ok {
		return
	}
	if slices.Max(append(sizes, 0)) < 10000 {
		if _, ok := run("byte by byte", byteByByte); !ok {
			return
		}
	}
	least := 1
	if testing.Short() {
		least = 17
	}
	for chunk, size := range sizes {
		for at := 1; at < size; at += max(stride(at, size), least) {
			if _, ok := run(fmt.Sprintf("chunk %d of %d bytes cut at %d", chunk, size, at), cutAt(chunk, at)); !ok {
				return
			}
		}
	}
	for seed := range uint64(20) {
		if _, ok := run(fmt.Sprintf("cut by seed %d", seed), cutBySeed(seed)); !ok {
			return
		}
	}
}
