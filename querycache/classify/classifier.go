package classify

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"overdrive/querycache/sqlscan"
	"overdrive/querycache/verdict"
)

const (
	// MaxText is the length in bytes of the longest text that is parsed. Longer ones are only searched for what they leave
	// behind in the session.
	MaxText = 64 << 10

	// maxRecalled is the length of the longest text that Recall looks into for its constants.
	maxRecalled = 4 << 10

	// maxShapes and maxShapeBytes bound what a Classifier remembers.
	maxShapes     = 8192
	maxShapeBytes = 12 << 20

	// shapeOverhead is what a remembered shape costs besides what weight counts: two verdicts, the list and map entries.
	shapeOverhead = 1280
)

// Classifier judges the texts of one database, role and search_path. It remembers the verdict on each shape. All
// methods may be called at any time from any goroutine.
//
// There is no look-up by exact text before that by shape. It would take 25 ns where the shape takes 90 ns (41 bytes) to
// 500 ns (150 bytes), see BenchmarkJudge, but fill up with texts that come once, from clients that write values into
// their statements. Who repeats a text exactly mostly prepares it, and then the verdict is kept with the prepared
// statement.
type Classifier struct {
	state   atomic.Pointer[state] // changed under mu
	seed    maphash.Seed
	tallies *verdict.Tallies

	mu     sync.Mutex // guards the fields below
	shapes *simplelru.LRU[uint64, *known]
	bytes  int // of shapes, by their weight
}

// state is what verdicts are based on.
type state struct {
	catalog    *Catalog // nil: unsettled
	since      uint64   // the generation in which it was set: what came then were doubts
	generation uint64
	version    uint64
	suspended  *Catalog // what catalog was before a Suspend, until it is put back
	doubts     doubts   // what has changed since the catalog was loaded
	past       []step   // what made the last versions
	forgotten  uint64   // the last version of which not all is in past
}

// A step made a version.
type step struct {
	version uint64
	touch   *Touch // nil: anything may have changed
}

const maxPast = 128 // versions

// known is a remembered shape.
type known struct {
	shape      string
	generation uint64
	plain      *Verdict
	dated      *Verdict // for texts with a string that means the present
}

// weight returns the bytes that a shape costs. A statement on a table of thousands of partitions has a verdict as long.
func (k *known) weight() int {
	v := k.plain
	bytes := len(k.shape) + shapeOverhead + len(v.Reason) + 4*(len(v.Reads)+len(v.Writes)+len(v.Names))
	if m := v.Meaning; m != nil {
		bytes += 96 + 4*(len(m.relations)+len(m.code)) + 80*len(m.unknown)
	}
	for _, names := range [...][]string{v.Tables, v.Sets, v.Resets, v.Needs} {
		for _, name := range names {
			bytes += 16 + len(name)
		}
	}
	return bytes
}

// New returns a Classifier without a catalog, which counts in tallies, or where that is nil in Tallies of its own.
func New(tallies *verdict.Tallies) *Classifier {
	if tallies == nil {
		tallies = verdict.NewTallies()
	}
	c := &Classifier{seed: maphash.MakeSeed(), tallies: tallies}
	c.state.Store(&state{generation: 1})
	c.shapes, _ = simplelru.NewLRU(maxShapes, func(_ uint64, k *known) { c.bytes -= k.weight() }) // fails on size 0 only
	return c
}

// Generation returns a number that changes with every Stale and SetCatalog. Take it before the catalog queries are sent.
func (c *Classifier) Generation() uint64 { return c.state.Load().generation }

// Version returns a number that changes with every Stale, and with every SetCatalog but one that puts back what Suspend has taken
// out. While it is the same, nothing has been seen to change in the database.
func (c *Classifier) Version() uint64 { return c.state.Load().version }

// Current reports whether v is still what Judge would return.
func (c *Classifier) Current(v *Verdict) bool {
	return v.generation == 0 || v.generation == c.Generation()
}

// Stale forgets catalog and verdicts, because the catalog has changed. Call it when a transaction with a statement whose
// verdict says DDL has ended, before its Write does: until then that Write keeps everything from being served. Until
// SetCatalog nothing is cacheable.
func (c *Classifier) Stale() { c.replace(state{}, 0) }

// Suspend is Stale for whoever cannot tell for a while whether the catalog has changed. It returns the catalog, and the generation
// by which SetCatalog puts it back unless there was a Stale in between; nil if there was no catalog.
func (c *Classifier) Suspend() (*Catalog, uint64) {
	before := c.state.Load()
	if before.catalog == nil || !c.replace(state{suspended: before.catalog}, before.generation) {
		return nil, 0
	}
	return before.catalog, before.generation + 1
}

// Doubt is Stale where it is known what has changed: statements that touch it are judged as if there was no catalog, all others by the one
// of before.
func (c *Classifier) Doubt(touches ...*Touch) {
	for range 8 { // a look may give it another catalog meanwhile, which does not show what is in doubt either
		before := c.state.Load()
		after, ok := before.doubts.with(before.generation+1, touches)
		if before.catalog == nil || !ok {
			break
		}
		if c.replace(state{catalog: before.catalog, doubts: after}, before.generation, touches...) {
			return
		}
	}
	c.Stale()
}

// Doubted reports whether there is a catalog, but not for all statements.
func (c *Classifier) Doubted() bool { return len(c.state.Load().doubts) > 0 }

// Meets reports whether DDL of the transaction in which a statement runs may have changed what that does, which no catalog knows yet. touches
// are what the DDL touches.
func (c *Classifier) Meets(v *Verdict, touches []*Touch) bool {
	if v.Loose {
		return true
	}
	catalog := c.state.Load().catalog
	return catalog == nil || slices.ContainsFunc(touches, func(t *Touch) bool {
		return len(t.code) > 0 || slices.ContainsFunc(v.Writes, func(id verdict.RelationID) bool {
			r := catalog.byID[id]
			return r == nil || t.hits(r)
		}) || slices.ContainsFunc(v.Tables, func(name string) bool { return t.hitsTable(catalog, name) })
	})
}

// RenewCatalog is SetCatalog for a catalog that tells of nothing what is not that of the one before, but of what has changed. It does not need the
// generation if there were only doubts since, of which those stay that have come since it: else whoever does DDL all the time would keep everybody by the catalog of before.
func (c *Classifier) RenewCatalog(catalog *Catalog, generation uint64, changed Difference) bool {
	touch := TouchOf(changed.Relations, changed.Names...)
	for {
		now := c.state.Load()
		next := state{catalog: catalog}
		switch {
		case now.generation == generation:
		case now.catalog == nil || now.since > generation:
			return false
		default:
			next.doubts = now.doubts.since(generation)
		}
		if c.replace(next, now.generation, touch) {
			return true
		}
	}
}

// SetCatalog makes catalog the basis of all verdicts from now on. generation is that of before the catalog was loaded;
// if it has changed since, the catalog may be out of date already, and SetCatalog does nothing and returns false: load
// it again.
func (c *Classifier) SetCatalog(catalog *Catalog, generation uint64) bool {
	return c.replace(state{catalog: catalog}, generation)
}

// replace changes the state to next, with the generation that follows, if it still has the generation from, or in any case if
// from is 0. The touches are all that has changed; none: it may be anything.
func (c *Classifier) replace(next state, from uint64, touches ...*Touch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.state.Load()
	if from != 0 && from != old.generation {
		return false
	}
	next.generation, next.version = old.generation+1, old.version
	if next.since = next.generation; next.catalog == old.catalog {
		next.since = old.since
	}
	if same := next.suspended != nil || next.catalog != nil && next.catalog == old.suspended; !same {
		next.version++
	}
	next.remember(old, touches)
	c.state.Store(&next)
	c.shapes.Purge()
	return true
}

// remember notes what made the version of s, which follows old.
func (s *state) remember(old *state, touches []*Touch) {
	s.past, s.forgotten = old.past, old.forgotten
	if s.version == old.version {
		return
	}
	if cut := min(len(s.past)+max(len(touches), 1)-maxPast, len(s.past)); cut > 0 {
		s.forgotten = s.past[cut-1].version
		s.past = s.past[cut:]
	}
	s.past = slices.Clip(s.past)
	for _, t := range touches {
		s.past = append(s.past, step{s.version, t})
	}
	if len(touches) == 0 {
		s.past = append(s.past, step{version: s.version})
	}
}

// Catalog returns the catalog in use, or nil.
func (c *Classifier) Catalog() *Catalog { return c.state.Load().catalog }

// scratch holds buffers for shapes.
var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// Judge returns the verdict on text. It keeps no reference to text. For a shape it knows it does not allocate, unless
// its constants say what it leaves behind in the session (a DO block, a SET of search_path) or it is for the proxy itself;
// otherwise it parses, which takes tens of microseconds for most texts and tens of milliseconds for the longest.
//
// The text must come from a session with standard_conforming_strings on.
func (c *Classifier) Judge(text []byte) *Verdict { return c.judge(text, true) }

// Recall is Judge for whoever must not wait: it returns nil for a shape that would have to be parsed, and for a long text whose
// constants would have to be looked at.
func (c *Classifier) Recall(text []byte) *Verdict { return c.judge(text, false) }

// Suppose is Judge for a text that nobody has sent: the verdict is not remembered, counts for nothing, and has no Tally. It always parses.
func (c *Classifier) Suppose(text []byte) *Verdict {
	if len(text) > MaxText {
		return &oversized
	}
	shape, flags := sqlscan.AppendShape(nil, text)
	switch {
	case flags.Has(sqlscan.Unterminated):
		return &unterminated
	case flags.Has(sqlscan.Empty):
		return &empty
	}
	s := c.state.Load()
	v := c.by(s, shape, flags)
	if v != &encoded {
		v.Shape = string(shape)
		v.Fingerprint, _ = sqlscan.Shape(text)
	}
	if flags.Has(sqlscan.SpecialDate) && !v.allPlain(text) {
		v = v.withSpecialDate()
	}
	return v
}

// allPlain reports whether all strings of a text that hold a word such as today become no date.
func (v *Verdict) allPlain(text []byte) bool {
	return v.plainWords != 0 && places(sqlscan.SpecialDates(text))&^v.plainWords == 0
}

func (c *Classifier) judge(text []byte, mayParse bool) *Verdict {
	if len(text) > MaxText && !mayParse {
		return nil
	}
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	shape, flags := sqlscan.AppendShape((*buf)[:0], text)
	*buf = shape[:0]
	switch {
	case flags.Has(sqlscan.Unterminated):
		return &unterminated
	case flags.Has(sqlscan.Empty):
		return &empty
	}
	state := c.state.Load()
	if len(text) > MaxText {
		return skim(text, shape, flags, state.catalog)
	}
	hash := maphash.Bytes(c.seed, shape)
	k := c.recall(hash, shape)
	if k == nil {
		if !mayParse {
			return nil
		}
		k = c.learn(text, shape, flags, state)
		c.remember(hash, k)
	}
	v := k.plain
	if flags.Has(sqlscan.SpecialDate) && !v.allPlain(text) {
		v = k.dated
	}
	if v.perText {
		if !mayParse && len(text) > maxRecalled {
			return nil
		}
		v = v.finish(text)
	}
	return v
}

// learn works out what there is to know of a shape that text has.
func (c *Classifier) learn(text, shape []byte, flags sqlscan.Flags, s *state) *known {
	k := &known{shape: string(shape), generation: s.generation}
	k.plain = c.by(s, shape, flags)
	if k.plain != &encoded {
		k.plain.Shape = k.shape
		k.plain.Fingerprint, _ = sqlscan.Shape(text)
		c.tallies.Note(&k.plain.Statement)
	}
	k.dated = k.plain.withSpecialDate()
	return k
}

// by returns the verdict on a shape by the state.
func (c *Classifier) by(s *state, shape []byte, flags sqlscan.Flags) *Verdict {
	v := judge(shape, flags, s.catalog, s.generation, s.doubts.touches()...)
	if v.Meaning != nil {
		v.Meaning.judge, v.Meaning.version = c, s.version
	}
	return v
}

// recall returns what is known of a shape. It is always of the present generation, since replace forgets the shapes and
// remember takes no others.
func (c *Classifier) recall(hash uint64, shape []byte) *known {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.shapes.Get(hash); ok && k.shape == string(shape) {
		return k
	}
	return nil
}

func (c *Classifier) remember(hash uint64, k *known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.generation != c.state.Load().generation {
		return
	}
	c.shapes.Remove(hash) // another shape of the same hash, or the same one judged twice at a time
	c.shapes.Add(hash, k)
	c.bytes += k.weight()
	for c.bytes > maxShapeBytes {
		c.shapes.RemoveOldest()
	}
}

// withSpecialDate returns the verdict on a text of the same shape with a string that may mean the present.
func (v *Verdict) withSpecialDate() *Verdict {
	if !v.MayBeKept() {
		return v
	}
	dated := *v
	dated.Clock = false
	dated.Status = verdict.Volatile
	dated.Reason = "a string holds a word such as today, which a date type reads as the present"
	dated.Reads, dated.Names, dated.Needs = nil, nil, nil
	return &dated
}
