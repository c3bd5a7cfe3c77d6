package session

import (
	"os"
	"path/filepath"
	"testing"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/proxytest"
)

// scriptBytes calls add with all that the actors of one side send in the scripts.
func scriptBytes(f *testing.F, fromServer bool, add func([]byte)) {
	f.Helper()
	paths, err := filepath.Glob("../../../testdata/machine/*.txt")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		sc, err := readMachineScript(path)
		if err != nil {
			f.Fatal(err)
		}
		var b []byte
		for _, l := range sc.lines {
			if l.verb == "sends" && isServer(l.actor) == fromServer {
				b = append(b, l.bytes...)
			}
		}
		if len(b) < 4096 {
			add(b)
		}
	}
}

// FuzzSession_ClientBytes lets a client send anything, behind a model server, while another client works on. Whatever it
// is, the stage comes to rest, the other client is served, and every server ends up in the pool or closed.
func FuzzSession_ClientBytes(f *testing.F) {
	scriptBytes(f, false, func(b []byte) { f.Add(b, uint64(1)) })
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		st := newStage(t, setup{servers: 1, later: seed&1 == 0, cache: seed&2 == 0, cut: cutBySeed(seed)})
		st.db = map[string]int{}
		c, other := st.connect("client"), st.connect("other")
		c.sends(b)
		other.sends(proxytest.Query("select 'other'"))
		c.peer.broken = errTestReset
		st.settle()
		st.runTimers()
		if !c.ended {
			t.Error("the client is gone and its session is not")
		}
		if got := cutMessages(other.peer.got); len(got) == 0 || got[len(got)-1][0] != pgwire.ReadyForQuery {
			t.Errorf("the other client read\n\t%s", show(other.peer.got))
		}
		st.emptyStage(t)
	})
}

// FuzzServerConn_ServerBytes lets a server answer anything to a client that pipelines a bit of everything. The client
// is answered or closed, nothing is kept without bound, and nobody gets a connection that is not at rest.
func FuzzServerConn_ServerBytes(f *testing.F) {
	scriptBytes(f, true, func(b []byte) { f.Add(b, uint64(1)) })
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		st := newStage(t, setup{servers: 1, later: seed&1 == 0, cache: seed&2 == 0, cut: cutBySeed(seed)})
		c := st.connect("client")
		c.sends(pipelines[seed/4%uint64(len(pipelines))])
		if len(st.servers) == 0 {
			t.Skip()
		}
		v := st.servers[0]
		v.sends(b)
		if !v.gone {
			v.peer.broken = errTestReset
			st.settle()
		}
		c.peer.broken = errTestReset
		st.settle()
		st.runTimers()
		if !c.ended {
			t.Error("the client is gone and its session is not")
		}
		if !v.gone {
			t.Error("a server whose socket broke is not gone")
		}
		st.wantNoMarks(t)
	})
}

// pipelines are what a client may be waiting for an answer to.
var pipelines = [][]byte{
	says(proxytest.Query("select a from t")),
	says(proxytest.Parse("s", "select a from t"), proxytest.Bind("", "s", nil, nil, nil), proxytest.Describe('P', ""),
		proxytest.Execute("", 0), proxytest.Sync()),
	says(proxytest.Parse("", "select 1"), proxytest.Flush()),
	says(proxytest.Query("copy t from stdin"), proxytest.CopyData([]byte("1\n")), proxytest.CopyDone(), proxytest.Query("begin")),
	says(proxytest.Parse("", "copy t from stdin"), proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync(),
		proxytest.CopyData([]byte("1\n")), proxytest.CopyDone(), proxytest.Sync()),
	says(proxytest.Query("begin"), proxytest.Query("show overdrive.status"), proxytest.CloseName('S', "x"), proxytest.Sync(),
		proxytest.Query("select a from t"), proxytest.Query("deallocate all")),
}

// TestScripts_AreDescribed asks each script to say what it shows.
func TestScripts_AreDescribed(t *testing.T) {
	paths, err := filepath.Glob("../../../testdata/machine/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 || b[0] != '#' {
			t.Errorf("%s does not begin with what it shows", path)
		}
	}
}
