package session

import (
	"encoding/binary"
	"slices"
	"strconv"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/settings"
	"overdrive/querycache/sqlscan"
)

// An errand is a batch of our own on a server connection, in one implicit transaction or in the client's, whose answer the
// client does not see. It is one debt: all that comes up to its ReadyForQuery belongs to it.
//
// What clients have said, names and values, goes along as parameters of a Bind and is never a part of a text: no encoding and
// no standard_conforming_strings can make SQL of it. The statements have no name, since a named one could be replaced by a
// client, and every function and operator in them is qualified, since a search_path could lead to others.
type errand uint8

const (
	noErrand errand = iota
	applies         // gives the server the client's settings
	asks            // has the server say what parameters are
	washes          // brings the server back to what its login came with
	discards        // has it forget the sequences that another client has drawn from
	begins          // begins the transaction that the client has begun before
	probes          // has the server say whether parameters exist
	lends           // prepares statements under the client's own names, or has the server listen to the client's channels
	hands           // is a part of handing the client's channels over to the listener
)

// An undertaking is what a session has its server do for it by errands before the client's next message.
type undertaking struct {
	applied *settings.Set // what the server had after the client's settings were last applied to it; nil: never
	asking  bool          // what the session is settling is no change of settings
	failed  bool          // the server did not do what applies or asks
	// unanswerable: the server does not say what the client has set.
	unanswerable bool
	fresh        bool    // the server must be one that nobody has had before
	novelty      novelty // see neverset.go
	washes       bool    // applying washes the server, too
	tries        uint8   // how often applying has failed in a row for reasons that may pass
	restarts     uint8   // how often in a row a server was lost before it did anything for the client
}

// lost forgets what was under way on a server that is gone.
func (u *undertaking) lost() {
	*u = undertaking{tries: u.tries, restarts: u.restarts + 1}
}

// A novelty is what is known of the parameters that the text at hand reads.
type novelty uint8

const (
	notAsked novelty = iota
	unknownHere
	knownHere
)

// probed takes in a row: the server knows a parameter that was asked for.
func (u *undertaking) probed() { u.novelty = knownHere }

// The texts of errands. A value is asked for in the server's own encoding and as bytes, so that it survives every
// client_encoding, or is NULL.
const (
	setConfigText = "SELECT pg_catalog.set_config($1, $2, $3)"
	askText       = "SELECT pg_catalog.convert_to(pg_catalog.current_setting($1, true), pg_catalog.getdatabaseencoding())"
	// probeText has a row if somebody has set a parameter that is of nobody else: one that a library has defined is shown by pg_settings, and is
	// what a wash has brought it back to.
	probeText = "SELECT true WHERE pg_catalog.current_setting($1, true) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_settings s" +
		" WHERE pg_catalog.lower(s.name COLLATE pg_catalog.\"C\") OPERATOR(pg_catalog.=) $1)"
	// leftText asks for the names of statements that SQL has prepared. Its rows have two columns, as no others have of a wash.
	leftText = "SELECT pg_catalog.convert_to(p.name, pg_catalog.getdatabaseencoding()), true FROM pg_catalog.pg_prepared_statements p WHERE p.from_sql"
	// askAllText is for the parameters that were set in the session and are not back at what it began with. One that only a function of a superuser can
	// have set has no value.
	askAllText = "SELECT pg_catalog.convert_to(s.name, pg_catalog.getdatabaseencoding())," +
		" CASE WHEN s.context OPERATOR(pg_catalog.<>) 'superuser' OR pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on'" +
		" THEN pg_catalog.convert_to(pg_catalog.current_setting(s.name), pg_catalog.getdatabaseencoding()) END" +
		" FROM pg_catalog.pg_settings s WHERE s.source OPERATOR(pg_catalog.=) 'session'"
)

var (
	parseSetConfig = parseOf(setConfigText, textType, textType, boolType)
	parseAsk       = parseOf(askText, textType)
	parseProbe     = parseOf(probeText, textType)
	parseAskAll    = parseOf(askAllText)
	// What brings the server back to what its login came with, whoever was to be somebody else in between; see appendWash.
	discardSequences = once("DISCARD SEQUENCES")
	washSession      = slices.Concat(once("RESET SESSION AUTHORIZATION"), once("RESET ALL"), discardSequences,
		once("CLOSE ALL"), once("UNLISTEN *"), once("SELECT pg_catalog.pg_advisory_unlock_all()"), once("DISCARD TEMP"))
	parseSetSeed = parseOf("SELECT pg_catalog.setseed($1)", float8Type)
	askLeft      = append(parseOf(leftText), appendRun(nil)...)
	runOnce      = append(pgwire.AppendMessage(nil, pgwire.Bind, make([]byte, 2+len(noFormats))), runAll...)
)

// appendWash adds what brings the server back to what its login came with. That is all that DISCARD ALL does, but for prepared statements, which
// are everybody's; see leftovers.go. And what no DISCARD does: random() is made to follow a seed that nobody knows, in place of one that
// a function may have set.
func (c *ServerConn) appendWash(b []byte) []byte {
	b = append(b, washSession...)
	seed := strconv.FormatFloat(2*c.space.random()-1, 'g', -1, 64)
	return appendRun(append(b, parseSetSeed...), argument{text: seed})
}

// appendAskLeft adds the question where there may be some.
func (c *ServerConn) appendAskLeft(b []byte) []byte {
	if c.params.unasked {
		b = append(b, askLeft...)
	}
	return b
}

// washed notes that the server has done so.
func (c *ServerConn) washed() { c.params.stain, c.params.unasked, c.params.called = 0, false, nil }

// once makes the messages that run a statement once.
func once(text string) []byte { return append(parseOf(text), runOnce...) }

// OIDs of types.
const (
	boolType   = 16
	textType   = 25
	float8Type = 701
)

// parseOf makes a Parse of the unnamed statement.
func parseOf(text string, types ...uint32) []byte {
	rest := binary.BigEndian.AppendUint16(append([]byte(text), 0), uint16(len(types)))
	for _, oid := range types {
		rest = binary.BigEndian.AppendUint32(rest, oid)
	}
	return pgwire.AppendParse(nil, "", rest)
}

// An argument is one parameter of a Bind: a text, or NULL.
type argument struct {
	text string
	null bool
}

// appendRun adds the Bind and the Execute of the unnamed statement, whose results come as bytes.
func appendRun(b []byte, args ...argument) []byte {
	return append(appendBind(b, "", "", args...), runAll...)
}

// appendBind adds the Bind of a statement to a portal, whose results come as bytes.
func appendBind(b []byte, portal, statement string, args ...argument) []byte {
	const counts = 3 * 2
	size := counts + 2 // one result format
	for _, a := range args {
		size += 4 + len(a.text)
	}
	b = pgwire.AppendBindHead(b, []byte(portal), statement, size)
	b = append(b, 0, 0) // all parameters are texts
	b = binary.BigEndian.AppendUint16(b, uint16(len(args)))
	for _, a := range args {
		if a.null {
			b = append(b, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(a.text))), a.text...)
	}
	return append(b, 0, 1, 0, 1) // all results are bytes
}

func appendSet(b []byte, name, value string, local bool) []byte {
	scope := "f"
	if local {
		scope = "t"
	}
	return appendRun(b, argument{text: name}, argument{text: value}, argument{text: scope})
}

func appendReset(b []byte, name string) []byte {
	return appendRun(b, argument{text: name}, argument{null: true}, argument{text: "f"})
}

// serverBytes is the client_encoding in which a server takes bytes as they are, if they are valid in its own.
const serverBytes = "SQL_ASCII"

// appendChange adds what brings some parameters back and sets others. Values are the server's bytes: where some are not ASCII
// the client_encoding must be one in which they arrive as they are, before them, and is the client's own after them.
func appendChange(b []byte, resets, sets []settings.Setting, encoding string) []byte {
	if len(resets) == 0 && len(sets) == 0 {
		return b
	}
	b = append(b, parseSetConfig...)
	plain := isPlain(resets, sets)
	if !plain {
		b = appendSet(b, clientEncoding, serverBytes, false)
	}
	for _, it := range resets {
		b = appendReset(b, it.Name)
	}
	for _, it := range sets {
		if plain || it.Key != clientEncoding {
			b = appendSet(b, it.Name, it.Value, false)
		}
	}
	if !plain {
		b = appendSet(b, clientEncoding, encoding, false)
	}
	return b
}

const clientEncoding = "client_encoding"

// isPlain says whether a change can be made under any client_encoding.
func isPlain(resets, sets []settings.Setting) bool {
	for _, it := range resets {
		if !sqlscan.IsASCII(it.Name) {
			return false
		}
	}
	for _, it := range sets {
		if !sqlscan.IsASCII(it.Name) || !sqlscan.IsASCII(it.Value) {
			return false
		}
	}
	return true
}

// send has the server do an errand; build appends its messages. A patient errand runs without the session's statement_timeout: it
// is for what has failed before for reasons that may pass. Questions have a patience of their own, see appendPatience.
func (c *ServerConn) send(what errand, patient bool, build func(b []byte) []byte) {
	c.prepared.unnamed = nil
	c.exchange(owedErrand, skip, c.space.scratch.add(func(b []byte) []byte {
		if patient {
			b = appendSet(append(b, parseSetConfig...), statementTimeout, "0", true)
		}
		if b = build(b); c.status != pgwire.TxIdle || what == begins {
			b = append(b, closeUnnamed...)
		}
		return pgwire.AppendEmpty(b, pgwire.Sync)
	})).errand = what
}

// maxTries is how often an errand is sent that fails for reasons that may pass.
const maxTries = 3

// passing says whether an error may be gone when the same is tried again: what was asked was not wrong, but cancelled, too
// slow, or in the way of somebody.
func passing(code string) bool {
	switch {
	case len(code) < 2:
		return false
	case code[:2] == "57", code[:2] == "55", code[:2] == "53", code[:2] == "40":
		return true
	}
	return false
}

// forgetSequences goes ahead of the first message of a client who is not the one that has drawn from sequences: what currval and lastval
// tell is that one's. Nobody waits for the answer.
func (c *ServerConn) forgetSequences() {
	c.params.drawn = 0
	c.send(discards, false, func(b []byte) []byte { return append(b, discardSequences...) })
}

// setOwn notes that a session may have set parameters of the user's own.
func (c *ServerConn) setOwn(who ID) {
	switch c.params.owner {
	case 0, who:
		c.params.owner = who
	default:
		c.params.owner = strangers
	}
}
