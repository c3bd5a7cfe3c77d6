package session

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

func TestPrepared_AHundredThousandSmallStatementsFit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	const n = 100_000
	var before, after runtime.MemStats
	st := newStage(t, setup{})
	st.db = map[string]int{}
	c := st.connect("client")
	runtime.GC()
	runtime.ReadMemStats(&before)
	for first := 0; first < n; first += 500 {
		var b []byte
		for i := first; i < first+500; i++ {
			b = append(b, proxytest.Parse(fmt.Sprint("statement_", i), fmt.Sprintf("select a from t where id = $1 and x = %d", i))...)
		}
		c.sends(append(b, proxytest.Sync()...))
		if got := codesOf(c.peer.got); len(got) > 0 {
			t.Fatalf("got errors %v", got)
		}
		c.peer.got = nil
	}
	if got := len(c.session.names.known); got != n {
		t.Errorf("%d names are known, want %d", got, n)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	took, charged := int(after.HeapAlloc-before.HeapAlloc), c.session.names.keep.bytes
	t.Logf("%d statements take %d bytes each and are charged %d", n, took/n, charged/n)
	if took > charged {
		t.Errorf("they take %d bytes and are charged %d", took, charged)
	}
}

// codesOf returns the SQLSTATEs of the errors in a stream.
func codesOf(b []byte) (codes []string) {
	for _, m := range cutMessages(b) {
		if m[0] == pgwire.ErrorResponse {
			codes = append(codes, pgwire.ReadError(m[pgwire.HeaderLen:]).Code)
		}
	}
	return codes
}

// Beyond the bound a Parse fails, as if the server had no memory for it: the session goes on, and so does a transaction
// if it is rolled back.
func TestPrepared_BeyondTheBoundIsAnErrorAndNotTheEnd(t *testing.T) {
	for _, block := range []bool{false, true} {
		t.Run(fmt.Sprint("in a block: ", block), func(t *testing.T) {
			st := newStage(t, setup{})
			st.identity.Limits.Set(16<<20, 4000)
			st.db = map[string]int{}
			c := st.connect("client")
			if block {
				c.sends(proxytest.Query("begin"))
			}
			refused := 0
			for i := range 30 {
				c.peer.got = nil
				c.sends(proxytest.Parse(fmt.Sprint("s", i), fmt.Sprint("select ", i)), proxytest.Bind("", fmt.Sprint("s", i), nil, nil, nil),
					proxytest.Execute("", 0), proxytest.Sync())
				switch codes := codesOf(c.peer.got); {
				case len(codes) == 0 && refused == 0:
				case len(codes) == 1 && (codes[0] == "53400" || block && refused > 0 && codes[0] == "25P02"):
					refused++
				default:
					t.Fatalf("statement %d: got %v", i, codes)
				}
			}
			if refused < 10 || refused > 25 {
				t.Errorf("%d were refused, want all beyond the bound", refused)
			}
			c.peer.got = nil
			c.sends(proxytest.Query("rollback"), proxytest.CloseName('S', "s0"), proxytest.Sync(), proxytest.Parse("again", "select 1"), proxytest.Sync())
			if codes := codesOf(c.peer.got); len(codes) > 0 || c.ended {
				t.Errorf("after one was closed: got %v, ended %v", codes, c.ended)
			}
			c.sends(proxytest.Query("deallocate all"))
			if got := c.session.names.keep; got.bytes != 0 {
				t.Errorf("%d bytes are charged for nothing", got.bytes)
			}
		})
	}
}

// The account is the sum over the names there are, each text of some size once, whatever happened before.
func TestLedger_IsTheSumOfWhatIsThere(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	st := newStage(t, setup{})
	s := st.connect("client").session
	var statements []*statement
	for i := range 20 {
		body := fmt.Sprintf("select '%s'\x00\x00\x00", strings.Repeat("x", i*i))
		statements = append(statements, st.identity.statements.intern([]byte(body), "", meaning{}))
	}
	for range 5000 {
		name, one := fmt.Sprint("n", r.IntN(40)), statements[r.IntN(len(statements))]
		switch r.IntN(4) {
		case 0:
			s.forgetName(name)
		case 1:
			s.bindPortal([]byte(name), one)
		case 2:
			s.forgetPortal(name)
		default:
			s.remember(name, one)
		}
		want, seen := 0, []*statement{}
		for name, p := range s.names.known {
			want += nameBytes + len(name)
			if textBytes(p.statement) < largeText || !slices.Contains(seen, p.statement) {
				want += textBytes(p.statement)
			}
			seen = append(seen, p.statement)
		}
		if s.names.keep.bytes != want {
			t.Fatalf("charged %d, want %d", s.names.keep.bytes, want)
		}
	}
	for i := range 40 {
		s.forgetName(fmt.Sprint("n", i))
		s.forgetPortal(fmt.Sprint("n", i))
	}
	if s.names.keep.bytes != 0 || s.names.portals != nil || s.names.known != nil {
		t.Errorf("something is charged for nothing: %+v, %+v", s.names.keep, s.names.portals)
	}
}

func TestPortals_BeyondTheBoundAreNotKnown(t *testing.T) {
	st := newStage(t, setup{})
	st.identity.Limits.Set(16<<20, 4000)
	s := st.connect("client").session
	one := st.identity.statements.intern([]byte("select 1\x00\x00\x00"), "", meaning{})
	for i := range 1000 {
		s.bindPortal(fmt.Append(nil, "p", i), one)
	}
	if len(s.names.portals.bound) < 5 || len(s.names.portals.bound) > 15 || s.names.portals.bytes() > 4000 {
		t.Errorf("%d portals are kept, charged %d", len(s.names.portals.bound), s.names.portals.bytes())
	}
}
