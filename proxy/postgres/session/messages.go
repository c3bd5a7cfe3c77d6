package session

import "overdrive/proxy/postgres/pgwire"

// Messages, and a part of one, that are always the same. They must not be changed.
var (
	syncMessage = pgwire.AppendEmpty(nil, pgwire.Sync)
	runAll      = pgwire.AppendMessage(nil, pgwire.Execute, []byte{0, 0, 0, 0, 0}) // the unnamed portal, all rows
	// closeUnnamed closes the unnamed portal, which stays until the next Bind where a transaction is open.
	closeUnnamed = pgwire.AppendTarget(nil, pgwire.Close, pgwire.Portal, "")
	noFormats    = make([]byte, 6) // of a Bind: no parameter formats, no parameters, no result formats

	// Replies that are given without asking the server.
	readyIdle     = pgwire.AppendReady(nil, pgwire.TxIdle)
	parseComplete = pgwire.AppendEmpty(nil, pgwire.ParseComplete)
	bindComplete  = pgwire.AppendEmpty(nil, pgwire.BindComplete)
	closeComplete = pgwire.AppendEmpty(nil, pgwire.CloseComplete)
	noData        = pgwire.AppendEmpty(nil, pgwire.NoData)
	noParameters  = pgwire.AppendMessage(nil, pgwire.ParameterDescription, []byte{0, 0})
)
