package postgres

import (
	"errors"
	"fmt"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/upstream"
)

// treeSettings have the server show what it makes of each statement, once names, operators, views and policies are resolved.
// Any user may say so.
var treeSettings = []string{
	"SET client_min_messages = log", "SET debug_pretty_print = off", "SET debug_print_rewritten = on",
}

// Limits of what the server may say about one statement.
const maxTree = 16 << 20

// errNoTree says that the server took the statement and showed nothing.
var errNoTree = errors.New("the server showed no rewritten tree")

// rewritten returns the server's tree of a statement, or its refusal. The statement is parsed and never run: Parse takes one
// statement only, whatever the text holds.
func rewritten(up *upstream.Conn, sql string) (tree string, refusal *pgwire.ErrorReport, err error) {
	for _, set := range treeSettings {
		if _, err := up.Query(set); err != nil {
			return "", nil, fmt.Errorf("%s: %w", set, err)
		}
	}
	rest := append([]byte(sql), 0, 0, 0) // no parameter types
	b := pgwire.AppendEmpty(pgwire.AppendParse(nil, "", rest), pgwire.Sync)
	if _, err := up.NC.Write(b); err != nil {
		return "", nil, fmt.Errorf("send statement: %w", err)
	}
	for left := maxTree; ; {
		typ, body, err := pgwire.ReadMessage(up.NC, left)
		if err != nil {
			return "", nil, err
		}
		left -= len(body)
		switch typ {
		case pgwire.NoticeResponse:
			if message, detail := messageAndDetail(body); message == "rewritten parse tree:" {
				tree = detail
			}
		case pgwire.ErrorResponse:
			r := pgwire.ReadError(body)
			refusal = &r
		case pgwire.ReadyForQuery:
			if tree == "" && refusal == nil {
				return "", nil, errNoTree
			}
			return tree, refusal, nil
		}
	}
}

// fieldDetail is the field of a notice that holds its second part.
const fieldDetail byte = 'D'

// messageAndDetail reads a NoticeResponse, as far as it is well-formed.
func messageAndDetail(body []byte) (message, detail string) {
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := pgwire.CutString(body[1:])
		if !ok {
			break
		}
		switch body[0] {
		case pgwire.FieldMessage:
			message = string(value)
		case fieldDetail:
			detail = string(value)
		}
		body = rest
	}
	return message, detail
}
