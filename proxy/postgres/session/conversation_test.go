package session

import (
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/postgres/settings"
	"overdrive/proxy/proxytest"
)

// conversations are what one client says, speech by speech, each after the answers to the last. What it must read is what
// a server of its own would say; how the proxy gets there is its own business.
var conversations = map[string]struct {
	startup  []settings.Setting
	speeches [][]byte
}{
	"a name prepared behind DEALLOCATE ALL stays": {speeches: [][]byte{
		says(proxytest.Parse("s", "select 1"), proxytest.Sync()),
		says(proxytest.Query("deallocate all"), proxytest.Parse("s", "select 2"), proxytest.Sync()),
		says(proxytest.Bind("", "s", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()),
	}},
	"an unnamed statement prepared behind a batch that fails": {speeches: [][]byte{
		says(proxytest.Parse("", "select 1"), proxytest.Sync()),
		says(proxytest.Parse("", "bogus"), proxytest.Sync(), proxytest.Parse("", "select 2")),
		says(proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()),
	}},
	"a simple query behind a batch that fails destroys the unnamed statement": {speeches: [][]byte{
		says(proxytest.Parse("", "select 1"), proxytest.Sync()),
		says(proxytest.Bind("", "nosuch", nil, nil, nil), proxytest.Parse("", "select 2"), proxytest.Sync(),
			proxytest.Query("select 3")),
		says(proxytest.Bind("", "", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()),
	}},
	"another name for the same text behind DEALLOCATE ALL": {speeches: [][]byte{
		says(proxytest.Parse("s", "select 1"), proxytest.Sync()),
		says(proxytest.Query("deallocate all"), proxytest.Parse("u", "select 1"), proxytest.Bind("", "u", nil, nil, nil),
			proxytest.Execute("", 0), proxytest.Sync()),
		says(proxytest.Bind("", "s", nil, nil, nil), proxytest.Sync()),
		says(proxytest.Bind("", "u", nil, nil, nil), proxytest.Execute("", 0), proxytest.Sync()),
	}},
	"DISCARD ALL in front of everything, as pools of drivers send it": {speeches: [][]byte{
		says(proxytest.Parse("s", "select 1"), proxytest.Sync()),
		says(proxytest.Query("discard all"), proxytest.Parse("s", "select $1"), proxytest.Describe('S', "s"), proxytest.Sync()),
		says(proxytest.Bind("", "s", [][]byte{[]byte("v")}, nil, nil), proxytest.Execute("", 0), proxytest.Sync()),
	}},
	"RESET returns to the startup packet": {
		startup: []settings.Setting{settings.Of("TimeZone", "cet")},
		speeches: [][]byte{
			says(proxytest.Query("set timezone to 'msk'")),
			says(proxytest.Query("reset timezone")),
			says(proxytest.Query("show timezone")),
		},
	},
	"RESET in a pipeline": {
		startup: []settings.Setting{settings.Of("TimeZone", "cet")},
		speeches: [][]byte{
			says(proxytest.Query("set timezone to 'msk'"), proxytest.Query("select 1"), proxytest.Query("reset timezone"),
				proxytest.Query("show timezone")),
			says(proxytest.Query("show timezone")),
		},
	},
	"RESET in a transaction": {
		startup: []settings.Setting{settings.Of("TimeZone", "cet")},
		speeches: [][]byte{
			says(proxytest.Query("begin")), says(proxytest.Query("set timezone to 'msk'")), says(proxytest.Query("reset timezone")),
			says(proxytest.Query("show timezone")), says(proxytest.Query("rollback")), says(proxytest.Query("show timezone")),
		},
	},
	"DISCARD ALL returns to the startup packet": {
		startup: []settings.Setting{settings.Of("TimeZone", "cet"), settings.Of("statement_timeout", "5s")},
		speeches: [][]byte{
			says(proxytest.Query("set timezone to 'msk'")), says(proxytest.Query("discard all")),
			says(proxytest.Query("show timezone")), says(proxytest.Query("show statement_timeout")),
		},
	},
	"an unreported setting of the startup packet is reset in a transaction": {
		startup: []settings.Setting{settings.Of("statement_timeout", "5s")},
		speeches: [][]byte{
			says(proxytest.Query("begin")), says(proxytest.Query("reset statement_timeout")),
			says(proxytest.Query("show statement_timeout")), says(proxytest.Query("commit")),
			says(proxytest.Query("show statement_timeout")),
		},
	},
}

func says(messages ...[]byte) []byte {
	var b []byte
	for _, m := range messages {
		b = append(b, m...)
	}
	return b
}

// TestMachine_ConversationsReadAsWithAServerAlone holds every conversation at every cut of its speeches, with another
// client of other settings that uses the servers in between.
func TestMachine_ConversationsReadAsWithAServerAlone(t *testing.T) {
	for name, c := range conversations {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			size := 0
			for _, speech := range c.speeches {
				size = max(size, len(speech))
			}
			hold := func(how string, cut cutter) {
				if !t.Failed() && !converse(t, c.startup, c.speeches, cut) {
					t.Errorf("%s", how)
				}
			}
			hold("whole", whole)
			hold("byte by byte", byteByByte)
			for at := 1; at < size; at++ {
				hold(fmt.Sprint("cut at ", at), func(_ int, b []byte) [][]byte {
					return [][]byte{b[:min(at, len(b))], b[min(at, len(b)):]}
				})
			}
		})
	}
}

func converse(t *testing.T, startup []settings.Setting, speeches [][]byte, cut cutter) bool {
	t.Helper()
	st := newStageWithout(setup{servers: 2, cut: cut})
	ok := true
	st.fail = func(format string, args ...any) {
		t.Errorf(format, args...)
		ok = false
	}
	st.db = map[string]int{}
	c, other := st.arrive("client", startup...), st.arrive("other")
	st.settle()
	g := &generator{model: newModelServer(map[string]int{})}
	g.model.settle(startup)
	for _, speech := range append(speeches, proxytest.Query("select 1")) {
		c.sends(g.says(speech))
		other.sends(proxytest.Query("begin"), proxytest.Query("show timezone"), proxytest.Query("commit"))
	}
	return ok && g.compare(t, c) && st.emptyStage(t)
}
