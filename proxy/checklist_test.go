package proxy_test

import (
	"slices"
	"testing"

	"overdrive/pool"
	"overdrive/proxy"
	"overdrive/proxy/proxytest"
)

// The tests whose names begin with TestChecklist are one, or more, per numbered case of a list of what caches in front of
// PostgreSQL have got wrong. Each has a database of its own, since a change of the catalog makes the whole database miss, and
// one of three benches:
//
//	pairBench     clients of the proxy next to clients of the server, who say the same and must hear the same:
//	              K what makes a key, S settings of the session, P the protocol
//	writerBench   a writer and a reader through the proxy, and the server's word: F functions, W statements
//	              that look like reads, I what invalidates
//	steppedBench  one event loop, a cache whose clock stands still, and a relay that holds questions and answers, so that the
//	              order of events is certain: T transactions, R races, A security, O operation
//
// What follows is common to them.

// onTheWay are the statuses on the way to a hit. After a statement that came while the catalog was not known the server is
// asked what it has set, and who does not wait for that is said to be in a transaction.
var onTheWay = []string{"transaction", "miss", "unsettled", "coalesced", "stale", "hit"}

// ownServers has every client be its own server user.
func ownServers(o *proxy.Options) {
	o.Databases[0].Target.User = ""
	o.Databases[0].Pool = pool.Limits{Size: 2, WaitTimeout: patience}
}

// oneServer leaves all clients one server connection to take turns on.
func oneServer(o *proxy.Options) { o.Databases[0].Pool.Size = 1 }

// oneLoop makes the order certain in which the proxy takes up what clients send.
func oneLoop(o *proxy.Options) { o.Loops = 1 }

// makeRoles makes roles for as long as the test lasts. Call it before the database is made that they own things in.
func makeRoles(t *testing.T, pg *proxytest.Postgres, names ...string) {
	t.Helper()
	for _, name := range names {
		pg.Exec("drop role if exists " + name + "; create role " + name + " login")
		t.Cleanup(func() { pg.Exec("drop role if exists " + name) })
	}
}

// queryUnit is one query of the extended protocol without its Sync: Parse, Bind, Describe of the portal, Execute.
func queryUnit(sql string, params ...[]byte) []byte {
	return slices.Concat(proxytest.Parse("", sql), proxytest.Bind("", "", params, nil, nil), proxytest.Describe('P', ""), proxytest.Execute("", 0))
}

func bytesOf(messages []proxytest.Message) (all []byte) {
	for _, m := range messages {
		all = append(all, m.Bytes()...)
	}
	return all
}

// typesOf returns the types of messages.
func typesOf(messages []proxytest.Message) (types string) {
	for _, m := range messages {
		types += string(m.Type)
	}
	return types
}
