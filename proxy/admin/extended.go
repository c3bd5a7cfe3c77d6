package admin

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"overdrive/proxy/postgres/pgwire"
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
	var m pgproto3.Parse
	if err := decode(&m, body); err != nil {
		return err
	}
	st, err := parse(m.Query)
	if err != nil {
		return err
	}
	if len(c.statements) >= maxNames {
		return fail(codeLimit, "more than %d prepared statements", maxNames)
	}
	c.statements[m.Name] = st
	c.say(&pgproto3.ParseComplete{})
	return nil
}

func (c *conn) bind(body []byte) error {
	var m pgproto3.Bind
	if err := decode(&m, body); err != nil {
		return err
	}
	st, found := c.statements[m.PreparedStatement]
	switch f := m.ResultFormatCodes; {
	case !found:
		return fail(codeNoStatement, "prepared statement %q does not exist", m.PreparedStatement)
	case len(m.Parameters) != 0:
		return fail(codeProtocolViolation, "commands of the console have no parameters")
	case len(f) > 1 && len(f) != st.width():
		return fail(codeProtocolViolation, "malformed Bind message")
	case len(c.portals) >= maxNames:
		return fail(codeLimit, "more than %d portals", maxNames)
	}
	c.portals[m.DestinationPortal] = &portal{statement: st, formats: m.ResultFormatCodes}
	c.say(&pgproto3.BindComplete{})
	return nil
}

func (c *conn) describe(body []byte) error {
	var m pgproto3.Describe
	if err := decode(&m, body); err != nil {
		return err
	}
	st, f := (*statement)(nil), formats(nil)
	switch pgwire.Target(m.ObjectType) {
	case pgwire.Statement:
		found := false
		if st, found = c.statements[m.Name]; !found {
			return fail(codeNoStatement, "prepared statement %q does not exist", m.Name)
		}
		c.say(&pgproto3.ParameterDescription{})
	case pgwire.Portal:
		p := c.portals[m.Name]
		if p == nil {
			return fail(codeNoPortal, "portal %q does not exist", m.Name)
		}
		st, f = p.statement, p.formats
	default:
		return fail(codeProtocolViolation, "malformed Describe message")
	}
	if st.width() == 0 {
		c.say(&pgproto3.NoData{})
	} else {
		c.say(description(st.command.columns, f))
	}
	return nil
}

// executePortal runs a portal, or goes on with one that was suspended. One that is through has no more rows.
func (c *conn) executePortal(body []byte) error {
	var m pgproto3.Execute
	err := decode(&m, body)
	if err != nil {
		return err
	}
	p := c.portals[m.Portal]
	switch {
	case p == nil:
		return fail(codeNoPortal, "portal %q does not exist", m.Portal)
	case p.statement == nil:
		c.say(&pgproto3.EmptyQueryResponse{})
		return nil
	case !p.ran:
		if p.rows, err = c.execute(p.statement); err != nil {
			return err
		}
		p.ran = true
	}
	n := len(p.rows)
	if m.MaxRows != 0 && uint32(n) > m.MaxRows {
		n = int(m.MaxRows)
	}
	for _, row := range p.rows[:n] {
		c.say(dataRow(p.statement.command.columns, row, p.formats))
	}
	if p.rows = p.rows[n:]; len(p.rows) > 0 {
		c.say(&pgproto3.PortalSuspended{})
		return nil
	}
	c.say(complete(p.statement.command, n))
	return nil
}

func (c *conn) close(body []byte) error {
	var m pgproto3.Close
	if err := decode(&m, body); err != nil {
		return err
	}
	switch pgwire.Target(m.ObjectType) {
	case pgwire.Statement:
		delete(c.statements, m.Name)
	case pgwire.Portal:
		delete(c.portals, m.Name)
	default:
		return fail(codeProtocolViolation, "malformed Close message")
	}
	c.say(&pgproto3.CloseComplete{})
	return nil
}
