package session

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

// A bookkeeper is a client that believes what it reads: a name is taken from its ParseComplete until its CloseComplete, or until all
// statements were dropped. It sends one batch at a time.
type bookkeeper struct {
	*testClient
	r      *rand.Rand
	names  map[string]string // what was prepared, by name
	portal string            // what was bound to the unnamed portal
	said   [][]byte          // of the batch that is not answered yet
	status byte              // as the last batch left it
}

func (b *bookkeeper) pick(choices ...string) string { return choices[b.r.IntN(len(choices))] }

func (b *bookkeeper) sql() string {
	return b.pick("select 1", "select 1", "select 2", "select 2", "select a from t1", "bogus", "begin", "rollback", "deallocate all", "discard all",
		"select 1/0", "show overdrive.pinned", "update t1 set a = a + 1")
}

// batch is what the client says next.
func (b *bookkeeper) batch() (said [][]byte) {
	switch b.r.IntN(6) {
	case 0:
		return [][]byte{proxytest.Query(b.pick("begin", "rollback", "select 1/0", "deallocate all", "discard all", "discard all", "listen c", "deallocate s", "deallocate u",
			"select 1"))}
	case 1, 2: // as drivers prepare
		name := b.pick("s", "u")
		return [][]byte{proxytest.Parse(name, b.sql()), proxytest.Describe('S', name), proxytest.Sync()}
	}
	for range 1 + b.r.IntN(6) {
		name := b.pick("s", "u", "v")
		switch b.r.IntN(8) {
		case 0, 1:
			said = append(said, proxytest.Parse(name, b.sql()))
		case 2:
			said = append(said, proxytest.CloseName('S', name))
		case 3:
			said = append(said, proxytest.Describe('S', name))
		case 4:
			said = append(said, proxytest.Flush())
		default:
			said = append(said, proxytest.Bind("", name, nil, nil, nil), proxytest.Execute("", 0))
		}
	}
	return append(said, proxytest.Sync())
}

// reads takes the answers to the batch, and returns what is wrong with them.
func (b *bookkeeper) reads(answers [][]byte) error {
	b.portal = ""
	for i, m := range b.said {
		var mine [][]byte
		for n, a := range answers {
			if ends(m[0], a[0]) {
				mine, answers = answers[:n+1], answers[n+1:]
				break
			}
		}
		if m[0] == pgwire.Flush {
			continue
		}
		if len(mine) == 0 {
			return fmt.Errorf("message %d has no answer", i)
		}
		last := mine[len(mine)-1]
		failed := slices.IndexFunc(mine, func(a []byte) bool { return a[0] == pgwire.ErrorResponse })
		if failed >= 0 {
			code := pgwire.ReadError(mine[failed][pgwire.HeaderLen:]).Code
			if err := b.fails(m, code); err != nil || m[0] == pgwire.Query {
				return err
			}
			if len(answers) != 1 || answers[0][0] != pgwire.ReadyForQuery {
				return fmt.Errorf("behind an error stands %s", show(slices.Concat(answers...)))
			}
			return nil
		}
		if err := b.notes(m, mine, last); err != nil {
			return err
		}
	}
	if len(answers) > 0 {
		return fmt.Errorf("nobody has asked for %s", show(slices.Concat(answers...)))
	}
	return nil
}

// ends says whether an answer of this type is the last to a message.
func ends(message, answer byte) bool {
	switch message {
	case pgwire.Query, pgwire.Sync:
		return answer == pgwire.ReadyForQuery
	case pgwire.Flush:
		return false
	}
	return answer == pgwire.ErrorResponse || strings.IndexByte("123TnCIs", answer) >= 0
}

// fails says whether an error may come of a message.
func (b *bookkeeper) fails(m []byte, code string) error {
	name, _ := b.target(m)
	_, known := b.names[name]
	switch {
	case code == "42P05" && !(m[0] == pgwire.Parse && known):
		return fmt.Errorf("%s failed with 42P05, and is not taken: %v", name, b.names)
	case code == "26000" && known:
		return fmt.Errorf("%s failed with 26000, and is prepared: %v", name, b.names)
	case code == "57014" && b.status == 'I' && (m[0] == pgwire.Query && name == "discard all" || m[0] == pgwire.Execute && b.portal == "discard all"):
		clear(b.names)
	}
	return nil
}

// target is the name of a statement that a message is about, and the text of a Parse.
func (b *bookkeeper) target(m []byte) (name, text string) {
	body := m[pgwire.HeaderLen:]
	switch m[0] {
	case pgwire.Parse:
		first, rest, _ := pgwire.CutString(body)
		second, _, _ := pgwire.CutString(rest)
		return string(first), string(second)
	case pgwire.Bind:
		_, of, _, _ := pgwire.SplitBind(body)
		return string(of), ""
	case pgwire.Describe, pgwire.Close:
		_, of, _ := pgwire.SplitTarget(body)
		return string(of), ""
	case pgwire.Query:
		of, _, _ := pgwire.CutString(body)
		return strings.TrimPrefix(string(of), "deallocate "), ""
	}
	return "", ""
}

// notes keeps the books.
func (b *bookkeeper) notes(m []byte, mine [][]byte, last []byte) error {
	name, text := b.target(m)
	_, known := b.names[name]
	switch m[0] {
	case pgwire.Parse:
		if known {
			return fmt.Errorf("%s is prepared a second time", name)
		}
		b.names[name] = text
	case pgwire.Bind:
		if b.portal = b.names[name]; !known {
			return fmt.Errorf("%s is bound, and was never prepared", name)
		}
	case pgwire.Close:
		delete(b.names, name)
	case pgwire.Query:
		delete(b.names, name)
	}
	for _, a := range mine {
		switch string(a[pgwire.HeaderLen:]) {
		case "DEALLOCATE ALL\x00", "DISCARD ALL\x00":
			clear(b.names)
		}
		if want, is := strings.CutPrefix(b.portal, "select "); is && m[0] == pgwire.Execute && a[0] == pgwire.DataRow && len(want) == 1 {
			if values, _ := pgwire.SplitDataRow(a[pgwire.HeaderLen:]); string(values[0]) != want {
				return fmt.Errorf("%q returned %q", b.portal, values)
			}
		}
	}
	return nil
}

// unknown says in what the statements on the server differ from those that are taken to be there.
func (v *testServer) unknown() string {
	there := map[string]bool{}
	for name := range v.model.statements {
		there[name] = name != ""
	}
	for _, st := range v.conn.prepared.residents.live.Keys() {
		name := st.serverName
		if !there[name] {
			return name + " is taken to be there, and is not"
		}
		delete(there, name)
	}
	for name, named := range there {
		if named {
			return name + " is there, and nobody knows of it"
		}
	}
	return ""
}

// TestMachine_WhatIsPreparedIsKnownWhateverIsCancelled lets clients prepare, use and close statements on servers that cancel any message
// at random. What a client has read about its names is what counts for it, and what a server has prepared is known when it is
// pooled (see testServer.unknown).
func TestMachine_WhatIsPreparedIsKnownWhateverIsCancelled(t *testing.T) {
	t.Parallel()
	runs := uint64(2000)
	if testing.Short() {
		runs = 300
	}
	for seed := range runs {
		if !keepBooks(t, seed) {
			t.Fatalf("seed %d", seed)
		}
	}
}

func keepBooks(t *testing.T, seed uint64) bool {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	st := newStageWithout(setup{servers: 1 + r.IntN(2), later: r.IntN(2) == 0, cache: r.IntN(2) == 0, cut: cutBySeed(seed)})
	ok := true
	st.fail = func(format string, args ...any) {
		if ok {
			t.Errorf(format, args...)
		}
		ok = false
	}
	st.db = map[string]int{}
	st.cancels = func() bool { return r.IntN(8) == 0 }
	var all []*bookkeeper
	for i := range 1 + r.IntN(3) {
		all = append(all, &bookkeeper{testClient: st.connect(fmt.Sprint("client", i+1)), r: r, names: map[string]string{}, status: 'I'})
	}
	for n := 30; n > 0 && ok; {
		b := all[r.IntN(len(all))]
		if b.said == nil {
			b.said = b.batch()
			b.peer.send(slices.Concat(b.said...))
			n--
		}
		for range r.IntN(12) {
			st.step(r.IntN)
		}
		ok = ok && b.takeStock(t)
	}
	st.cancels = nil
	for _, b := range all {
		if st.settleBy(r.IntN); ok {
			ok = b.takeStock(t)
		}
		b.said = [][]byte{proxytest.Query("rollback")}
		b.peer.send(b.said[0])
		if st.settleBy(r.IntN); ok {
			ok = b.takeStock(t)
		}
	}
	return ok && st.emptyStage(t)
}

// takeStock compares the books with the session's, once the batch is answered.
func (b *bookkeeper) takeStock(t *testing.T) bool {
	t.Helper()
	answers := cutMessages(b.peer.got)
	if b.ended {
		t.Errorf("%s was closed: %v, %v", b.name, b.why, b.err)
		return false
	}
	if len(answers) == 0 || answers[len(answers)-1][0] != pgwire.ReadyForQuery {
		return true
	}
	b.peer.got = nil
	said := b.said
	before := fmt.Sprint(b.names)
	err := b.reads(answers)
	b.said, b.status = nil, answers[len(answers)-1][pgwire.HeaderLen]
	if held := slices.Sorted(maps.Keys(b.session.names.known)); err == nil && !slices.Equal(held, slices.Sorted(maps.Keys(b.names))) {
		err = fmt.Errorf("the session knows of %v, and the client of %v", held, b.names)
	}
	if err != nil {
		t.Errorf("%v:\n%s, who had %s, said\n\t%s\nand read\n\t%s", err, b.name, before, show(slices.Concat(said...)), show(slices.Concat(answers...)))
	}
	return err == nil
}
