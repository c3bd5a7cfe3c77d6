package admin

import (
	"encoding/binary"

	"overdrive/proxy/pgwire"
)

// A portal is a statement that is ready to run, or has run.
type portal struct {
	statement *statement // nil: empty
	formats   formats
	rows      [][]any // not yet sent
	ran       bool
}

// extended deals with one message of the extended protocol.
func (c *conn) extended(typ byte, body []byte) error {
	switch typ {
	case pgwire.Parse:
		return c.parse(body)
	case pgwire.Bind:
		return c.bind(body)
	case pgwire.Describe:
		return c.describe(body)
	case pgwire.Execute:
		return c.executePortal(body)
	default:
		return c.close(body)
	}
}

func (c *conn) parse(body []byte) error {
	name, rest, err := pgwire.SplitParse(body)
	if err != nil {
		return fail(codeProtocolViolation, "malformed Parse message")
	}
	sql, _, _ := pgwire.CutString(rest)
	st, err := parse(string(sql))
	if err != nil {
		return err
	}
	if len(c.statements) >= maxNames {
		return fail(codeLimit, "more than %d prepared statements", maxNames)
	}
	c.statements[string(name)] = st
	c.out = pgwire.AppendEmpty(c.out, pgwire.ParseComplete)
	return nil
}

func (c *conn) bind(body []byte) error {
	name, statement, rest, ok := pgwire.SplitBind(body)
	if !ok {
		return fail(codeProtocolViolation, "malformed Bind message")
	}
	st, found := c.statements[string(statement)]
	if !found {
		return fail(codeNoStatement, "prepared statement %q does not exist", statement)
	}
	_, rest, ok = cutFormats(rest) // of parameters
	if !ok || len(rest) < 2 {
		return fail(codeProtocolViolation, "malformed Bind message")
	}
	if binary.BigEndian.Uint16(rest) != 0 {
		return fail(codeProtocolViolation, "commands of the console have no parameters")
	}
	f, rest, ok := cutFormats(rest[2:])
	if !ok || len(rest) != 0 || len(f) > 1 && len(f) != st.width() {
		return fail(codeProtocolViolation, "malformed Bind message")
	}
	if len(c.portals) >= maxNames {
		return fail(codeLimit, "more than %d portals", maxNames)
	}
	c.portals[string(name)] = &portal{statement: st, formats: f}
	c.out = pgwire.AppendEmpty(c.out, pgwire.BindComplete)
	return nil
}

// cutFormats cuts a list of format codes off the front of b.
func cutFormats(b []byte) (f formats, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if len(b) < 2*n {
		return nil, nil, false
	}
	for i := range n {
		f = append(f, binary.BigEndian.Uint16(b[2*i:]) == 1)
	}
	return f, b[2*n:], true
}

func (c *conn) describe(body []byte) error {
	what, name, err := pgwire.SplitTarget(body)
	if err != nil {
		return fail(codeProtocolViolation, "malformed Describe message")
	}
	st, f := (*statement)(nil), formats(nil)
	if what == pgwire.Statement {
		found := false
		if st, found = c.statements[string(name)]; !found {
			return fail(codeNoStatement, "prepared statement %q does not exist", name)
		}
		c.out = append(pgwire.AppendHeader(c.out, pgwire.ParameterDescription, 2), 0, 0)
	} else {
		p := c.portals[string(name)]
		if p == nil {
			return fail(codeNoPortal, "portal %q does not exist", name)
		}
		st, f = p.statement, p.formats
	}
	if st == nil {
		c.out = pgwire.AppendEmpty(c.out, pgwire.NoData)
	} else {
		c.out = appendDescription(c.out, st.command.columns, f)
	}
	return nil
}

// executePortal runs a portal, or goes on with one that was suspended. One that is through has no more rows.
func (c *conn) executePortal(body []byte) error {
	name, most, err := pgwire.SplitExecute(body)
	if err != nil {
		return fail(codeProtocolViolation, "malformed Execute message")
	}
	p := c.portals[string(name)]
	switch {
	case p == nil:
		return fail(codeNoPortal, "portal %q does not exist", name)
	case p.statement == nil:
		c.out = pgwire.AppendEmpty(c.out, pgwire.EmptyQueryResponse)
		return nil
	case !p.ran:
		if p.rows, err = c.execute(p.statement); err != nil {
			return err
		}
		p.ran = true
	}
	n := len(p.rows)
	if most != 0 && uint32(n) > most {
		n = int(most)
	}
	for _, row := range p.rows[:n] {
		c.out = appendRow(c.out, row, p.formats)
	}
	if p.rows = p.rows[n:]; len(p.rows) > 0 {
		c.out = pgwire.AppendEmpty(c.out, pgwire.PortalSuspended)
		return nil
	}
	c.out = pgwire.AppendString(c.out, pgwire.CommandComplete, p.statement.command.tag(n))
	return nil
}

func (c *conn) close(body []byte) error {
	what, name, err := pgwire.SplitTarget(body)
	if err != nil {
		return fail(codeProtocolViolation, "malformed Close message")
	}
	if what == pgwire.Statement {
		delete(c.statements, string(name))
	} else {
		delete(c.portals, string(name))
	}
	c.out = pgwire.AppendEmpty(c.out, pgwire.CloseComplete)
	return nil
}
