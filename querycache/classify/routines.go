package classify

import (
	"maps"
	"slices"

	"overdrive/querycache/classify/nodetree"
	"overdrive/querycache/verdict"
)

// This file says what the functions of the user's do that can be read: those of triggers, and those that are called by name. Each is read by
// itself, when it is first asked for and whoever asks; spread.go puts together what one leads to. Names in it are taken to mean what they mean in
// any schema, so that it matters neither which search_path it has, nor whose it is, nor which is set when it runs.

// routine is what a function does.
type routine struct {
	unknown   bool         // it may do anything
	changes   []spreadItem // of relations, but of the row of its trigger
	calls     []*function  // of the user's, that may write
	mention   mention      // what it names, and what is read by that
	draws     bool         // it may call nextval
	ownSets   []string     // parameters of the user's own that it may set for the session
	columns   []string     // of the row of its trigger that it may set
	anyColumn bool         // it may set any of them
}

// weight is how much it names.
func (known *routine) weight() int {
	return 1 + len(known.changes) + len(known.calls) + len(known.mention.code) + len(known.mention.relations) + len(known.ownSets)
}

// routineKey names a routine. Transition tables have names that hide others.
type routineKey struct {
	function uint32
	old, new string
}

// maxRoutines bounds what is remembered of routines: how much they name together.
const maxRoutines = 1 << 16

var unknownRoutine = &routine{unknown: true}

// routine returns what the function of a trigger does.
func (c *Inventory) routine(t trigger) *routine {
	return c.routines.recall(routineKey{t.function, t.old, t.new}, func() *routine {
		switch code := c.triggerCode[t.function]; {
		case code.kind == 'q':
			return &routine{anyColumn: true}
		case code.kind != 'p' || code.source == "" || !c.legible():
			return unknownRoutine
		default:
			return c.readBody(code.source, func(b *block) bool { return b.read() }, t.old, t.new)
		}
	})
}

// routineOf returns what a function does that is called by name.
func (c *Inventory) routineOf(f *function) *routine {
	return c.routines.recall(routineKey{function: f.oid}, func() *routine {
		code, found := c.functionCode[f.oid]
		if !found || !c.legible() {
			return unknownRoutine
		}
		var known *routine
		switch code.kind {
		case functionPLpgSQL:
			known = c.readBody(code.source, func(b *block) bool { b.called = true; return b.read() })
		case functionSQL:
			known = c.readBody(code.source, (*block).readSQL)
		case functionTree:
			known = c.readTreeBody(code.source)
		default:
			return unknownRoutine
		}
		for _, oid := range code.calls { // of its default arguments
			called := c.calls[oid]
			if called == nil || known.unknown {
				return unknownRoutine
			}
			known.calls = append(known.calls, called)
		}
		return known
	})
}

// legible reports whether bodies can be read: a variable, an argument or a result may be of any type, and is cast to it unseen.
func (c *Inventory) legible() bool { return len(c.writing) == 0 && !c.castWrites && c.opclass == "" }

// recall returns what is remembered of a routine, or else works it out.
func (all *routines) recall(key routineKey, read func() *routine) *routine {
	all.mu.Lock()
	known := all.known[key]
	all.mu.Unlock()
	if known != nil {
		return known
	}
	known = read()
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.held += known.weight(); all.held > maxRoutines {
		all.known, all.held = map[routineKey]*routine{}, known.weight()
	}
	all.known[key] = known
	return known
}

// readBody reads the text of a body, in which tables may go by names of its own.
func (c *Inventory) readBody(source string, read func(b *block) bool, tables ...string) *routine {
	w := newWalker(&Catalog{Inventory: c, anywhere: true, place: map[string]int{}, rights: &Rights{}})
	for _, name := range tables {
		if name != "" {
			w.ctes[name]++
		}
	}
	b := &block{walker: w, text: []byte(source), columns: map[string]bool{}}
	if !read(b) || w.everything || w.ddl || w.shared || w.temporary || w.commits {
		return unknownRoutine
	}
	return &routine{
		changes: w.requests, calls: w.called, mention: w.mention, draws: w.draws, ownSets: w.ownSets,
		columns: slices.Sorted(maps.Keys(b.columns)), anyColumn: b.anyColumn,
	}
}

// readTreeBody reads the body of a function in SQL that the server keeps as a tree (BEGIN ATOMIC): every name in it is an OID.
func (c *Inventory) readTreeBody(source string) *routine {
	facts, err := nodetree.ReadBody(source)
	if err != nil || facts.Refused != "" {
		return unknownRoutine
	}
	known := &routine{draws: len(facts.Writes) > 0, mention: newMention()}
	for _, one := range facts.Relations {
		r := c.byID[verdict.RelationID(one.OID)]
		if r == nil || c.writesWhenRead(r) {
			return unknownRoutine
		}
		known.mention.read(c, r)
	}
	for _, one := range facts.Writes {
		r := c.byID[verdict.RelationID(one.OID)]
		if r == nil || r.schema == systemSchema {
			return unknownRoutine
		}
		known.changes = append(known.changes, spreadItem{r, change{ops: opsOfTree(one.Command)}})
	}
	for _, oid := range facts.Operators {
		if o, ok := c.operations[oid]; oid >= firstUser && !o.harmless && (!ok || mayWrite(o.volatility)) {
			return unknownRoutine
		}
	}
	for _, oid := range facts.Functions {
		f := c.calls[oid]
		if f == nil || runsText(f.name) || callBit(f.name) != 0 || c.makesCoded(f.name) {
			return unknownRoutine
		}
		known.mention.speak(f.schema, f.name, true)
		known.draws = known.draws || f.name == "nextval" || f.name == "setval"
		if !f.builtin && !f.isTrusted() && mayWrite(f.volatility) {
			known.calls = append(known.calls, f)
		}
	}
	return known
}

// opsOfTree returns the changes of a command of a tree. What it sets is not looked at.
func opsOfTree(command nodetree.Command) ops {
	switch command {
	case nodetree.Update:
		return opUpdate
	case nodetree.Insert:
		return opInsert
	case nodetree.Upsert:
		return opInsert | opUpdate
	case nodetree.Delete:
		return opDelete
	}
	return opInsert | opUpdate | opDelete
}

// writesWhenRead reports whether reading a relation may write, whoever does it.
func (c *Inventory) writesWhenRead(r *relation) bool {
	return r.coded || r.codeOnRead() || c.reading(r, true).writes || c.reading(r, false).writes
}
