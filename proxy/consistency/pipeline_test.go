package consistency_test

import (
	"fmt"
	"time"

	"overdrive/proxy/proxytest/rig"

	"github.com/jackc/pgx/v5/pgconn"
)

// A piece is one statement of a pipeline.
type piece struct {
	statement
	form    form
	query   *query // nil: it writes
	id      int
	group   *group // of the implicit transaction, which ends at the next Sync
	written int    // how many attempts of the group come before it
	sync    bool   // a Sync follows
}

// pipeline sends several statements, with a Sync here and there and always at the end, before it reads any answer.
func (r *roamer) pipeline(pause func()) error {
	var jobs []job
	if len(r.kinds) > 0 && r.IntN(4) == 0 {
		jobs = r.jobs(2, (*kind).plain)
		defer pause() // after the turns were given back
	}
	defer take(jobs)()
	pieces, err := r.pieces(jobs)
	if err != nil {
		return err
	}
	r.tally.pipelines.Add(1)
	r.buffer = r.floors(r.buffer)
	asked := r.now()
	p := r.conn.StartPipeline(r.ctx)
	for i := range pieces {
		pc := &pieces[i]
		r.set(pc.group, 0, ending)
		r.send(p, pc)
	}
	if err = p.Flush(); err == nil {
		err = r.receive(p, pieces, asked)
	}
	if closed := p.Close(); err == nil {
		err = closed
	}
	for _, pc := range pieces {
		r.settle(pc.group, err)
	}
	return err
}

// pieces lays out a pipeline: the jobs, and reads around them.
func (r *roamer) pieces(jobs []job) ([]piece, error) {
	var all []piece
	g := &group{who: r.name}
	for n := 2 + r.IntN(5); n > 0 || len(jobs) > 0; n-- {
		pc := piece{form: forms[1+r.IntN(len(forms)-1)], group: g, written: len(g.attempts)}
		if len(jobs) > 0 && r.IntN(2) == 0 {
			pc.statement = r.issue(g, jobs[0], "pipelined")[0]
			if jobs[0].text {
				pc.form = formText
			}
			r.tally.writes.Add(1)
			jobs = jobs[1:]
		} else {
			pc.query = r.query(false)
			pc.sql = pc.query.sql
			if pc.query.ids > 0 {
				pc.id = r.favourite(pc.query.ids)
				pc.params = []string{fmt.Sprint(pc.id)}
			}
			if pc.query.simple {
				pc.form = formText
			}
		}
		if pc.sync = r.IntN(2) == 0 || n <= 1 && len(jobs) == 0; pc.sync {
			g = &group{who: r.name}
		}
		all = append(all, pc)
	}
	for _, pc := range all {
		if pc.form == formNamed || pc.form == formNamed2 {
			if _, err := r.prepare(r.ctx, pc.sql); err != nil {
				for _, pc := range all {
					r.set(pc.group, 0, rolledBack) // never sent
				}
				return nil, err
			}
		}
	}
	return all, nil
}

func (r *roamer) send(p *pgconn.Pipeline, pc *piece) {
	var params [][]byte
	for _, v := range pc.params {
		params = append(params, []byte(v))
	}
	if pc.form == formNamed || pc.form == formNamed2 {
		p.SendQueryPrepared(r.prepared[pc.sql], params, nil, pc.form.codes())
	} else {
		p.SendQueryParams(pc.sql, params, nil, nil, pc.form.codes())
	}
	if pc.sync {
		p.SendPipelineSync()
	}
}

// receive reads the answers in their order. Each must show no less than those before it. It returns the last error.
func (r *roamer) receive(p *pgconn.Pipeline, pieces []piece, asked time.Duration) (last error) {
	before := map[*register]int64{}
	failed := false // the rest up to the next Sync is skipped
	for _, pc := range pieces {
		if !failed {
			result, err := rig.ReadResult(p)
			if err != nil {
				failed, last = true, err
			} else if pc.query != nil {
				r.judgePiece(pc, result, asked, before)
			}
		}
		if !pc.sync {
			continue
		}
		if _, err := p.GetResults(); err != nil {
			return err
		}
		if failed {
			r.settle(pc.group, last)
		} else {
			r.settle(pc.group, nil)
			for _, a := range pc.group.attempts {
				r.buffer[a.register.index] = max(r.buffer[a.register.index], a.version)
			}
		}
		failed = false
	}
	return last
}

func (r *roamer) judgePiece(pc piece, result *pgconn.Result, asked time.Duration, before map[*register]int64) {
	rd := &reading{who: r.name, sql: inline(pc.sql, pc.params), form: string(pc.form) + ", pipelined", asked: asked,
		answered: r.now(), floors: r.buffer, group: pc.group, written: pc.written, before: before}
	rd.sightings, rd.broken = r.world.read(pc.query, pc.id, result)
	r.tally.reads.Add(1)
	r.judge(rd)
	for _, s := range rd.sightings {
		if rd.wrote(s.register) == nil {
			before[s.register] = max(before[s.register], s.version)
		}
	}
}

// settle notes how an implicit transaction ended, unless that was known before.
func (r *roamer) settle(g *group, err error) {
	switch {
	case len(g.attempts) == 0 || r.known(g):
	case err == nil:
		r.tally.transactions.Add(1)
		r.set(g, 0, committed)
	case r.lost(err):
		r.tally.unknown.Add(1)
		r.set(g, 0, unknown)
	default:
		r.tally.rollbacks.Add(1)
		r.set(g, 0, rolledBack)
	}
}
