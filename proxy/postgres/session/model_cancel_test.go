package session

import (
	"strings"

	"overdrive/proxy/postgres/pgwire"
)

// This file is about a modelServer whose statements are cancelled: by a statement_timeout, say, while they wait for a lock.

// cancelled has the message fail that cancels picks, and says whether it did. What stood before the wait has been done: a Describe has
// told of the parameters, DISCARD ALL has mostly dropped the statements.
func (m *modelServer) cancelled(typ byte, body []byte) bool {
	sql := ""
	switch typ {
	case pgwire.Query:
		text, _, _ := pgwire.CutString(body)
		sql = string(text)
	case pgwire.Parse:
		_, rest, _ := pgwire.CutString(body)
		text, _, _ := pgwire.CutString(rest)
		sql = string(text)
	case pgwire.Bind:
		_, name, _, _ := pgwire.SplitBind(body)
		sql = m.textOf(string(name))
	case pgwire.Describe:
		_, name, _ := pgwire.SplitTarget(body)
		sql = m.textOf(string(name))
	case pgwire.Execute:
		name, _, _ := pgwire.SplitExecute(body)
		if p := m.portals[string(name)]; p != nil {
			sql = p.sql
		}
	default:
		return false
	}
	if sql != strings.ToLower(sql) || !m.cancels() { // the proxy writes in capitals
		return false
	}
	if typ == pgwire.Parse && body[0] == 0 {
		delete(m.statements, "")
	}
	if typ == pgwire.Query {
		delete(m.statements, "")
	}
	if typ == pgwire.Describe && body[0] == 'S' && sql != "" && m.status != 'E' {
		m.put(pgwire.AppendMessage(nil, pgwire.ParameterDescription, []byte{0, 0}))
	}
	if sql == "discard all" && (typ == pgwire.Query || typ == pgwire.Execute) && m.status == 'I' && !m.cancels() {
		m.forget()
	}
	m.fail(&modelError{"57014", "canceling statement due to statement timeout"})
	if typ != pgwire.Query {
		m.skipping = true
		return true
	}
	m.leave()
	m.ready()
	return true
}

// textOf is the text of a statement that there is, in lower case.
func (m *modelServer) textOf(name string) string {
	if st := m.statements[name]; st != nil {
		return st.sql
	}
	return ""
}
