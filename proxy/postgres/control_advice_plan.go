package postgres

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"overdrive/proxy/postgres/pgwire"
	"overdrive/proxy/postgres/upstream"
	"overdrive/querycache/classify"
)

// This file asks a server how it would run a statement, whatever its parameters are. The server plans and does not run it. To plan runs
// functions that the server takes for IMMUTABLE or STABLE, so a caller gives it nothing but texts whose verdict is Cacheable: they call
// none of users.

// planSettings hold for the transaction in which a plan is asked for.
const planSettings = "SET LOCAL statement_timeout = '2s'; SET LOCAL lock_timeout = '500ms'; SET LOCAL plan_cache_mode = force_generic_plan"

// Limits of what is asked and answered.
const (
	maxPlanned = 16 << 10 // bytes of a text
	maxPlan    = 4 << 20  // bytes of a plan
)

// planNode is a step of a plan, with what of it is looked at.
type planNode struct {
	Type     string     `json:"Node Type"`
	Schema   string     `json:"Schema"`
	Relation string     `json:"Relation Name"`
	Index    string     `json:"Index Name"`
	Filter   string     `json:"Filter"`
	Rows     float64    `json:"Plan Rows"`
	Cost     float64    `json:"Total Cost"`
	Workers  float64    `json:"Workers Planned"`
	Plans    []planNode `json:"Plans"`
}

// each calls f for every step, with the number of processes that share it.
func (n *planNode) each(processes float64, f func(n *planNode, processes float64)) {
	f(n, processes)
	if n.Workers > 0 {
		processes = n.Workers + 1
	}
	for i := range n.Plans {
		n.Plans[i].each(processes, f)
	}
}

// A planner asks one server.
type planner struct {
	conn  *upstream.Conn
	asked int // plans so far
}

// apart runs f in a transaction that can write nothing and leaves nothing behind. setup is SQL that begins it.
func (p *planner) apart(setup string, f func() error) error {
	if _, err := p.conn.Query("BEGIN READ ONLY; " + setup); err != nil {
		return errors.Join(err, p.end())
	}
	return errors.Join(f(), p.end())
}

func (p *planner) end() error {
	_, err := p.conn.Query("ROLLBACK")
	return err
}

// plan returns the plan of a statement for all values. Call it within apart, with planSettings.
func (p *planner) plan(r classify.Rewrite) (*planNode, error) {
	p.asked++
	name := fmt.Sprintf("overdrive_advice_%d", p.asked) // of a connection that is closed soon
	if _, err := p.once("PREPARE " + name + " AS " + r.Text); err != nil {
		return nil, err
	}
	values := ""
	if r.Parameters > 0 {
		values = " (NULL" + strings.Repeat(", NULL", r.Parameters-1) + ")"
	}
	text, err := p.once("EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE " + name + values)
	if err != nil {
		return nil, err
	}
	var plans []struct{ Plan planNode }
	if err := json.Unmarshal(text, &plans); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	if len(plans) != 1 {
		return nil, fmt.Errorf("read plan: the server tells %d plans in place of one", len(plans))
	}
	return &plans[0].Plan, nil
}

// once runs one statement, and no more than one whatever the text holds, and returns the first value of its last row.
func (p *planner) once(sql string) (value []byte, err error) {
	bind := pgwire.AppendBindHead(nil, nil, "", 6)
	b := pgwire.AppendParse(nil, "", append([]byte(sql), 0, 0, 0)) // no types
	b = append(append(b, bind...), 0, 0, 0, 0, 0, 0)               // no formats, no values, no formats of results
	b = pgwire.AppendMessage(b, pgwire.Execute, []byte{0, 0, 0, 0, 0})
	if _, err := p.conn.NC.Write(pgwire.AppendEmpty(b, pgwire.Sync)); err != nil {
		return nil, fmt.Errorf("send statement: %w", err)
	}
	var refusal error
	for left := maxPlan; ; {
		typ, body, err := p.conn.Receive(left)
		if err != nil {
			return nil, fmt.Errorf("read plan: %w", err)
		}
		left -= len(body)
		switch typ {
		case pgwire.DataRow:
			if values, err := pgwire.SplitDataRow(body); err == nil && len(values) > 0 {
				value = values[0]
			}
		case pgwire.ErrorResponse:
			r := pgwire.ReadError(body)
			refusal = &upstream.ServerError{Code: r.Code, Message: r.Message}
		case pgwire.ReadyForQuery:
			return value, refusal
		}
	}
}
