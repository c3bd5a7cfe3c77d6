package checklist_test

import (
	"testing"
	"time"

	"overdrive/proxy/proxytest/rig"
	"overdrive/querycache"
)

// Of what reads the clock the owner may say how exact it must be. What changes for another reason, or within a statement, is refused all the same.
func TestClock_WhatReadsTheClockIsKeptAsTheOwnerAsks(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	f := startWriter(t, "checklist_clock", `create table games(id int, at timestamptz); insert into games values (1, '2020-01-01'), (2, '2999-01-01'); create table other(at timestamptz);
		create view current_games as select id from games where at > now()`, func(s *rig.Setup) {
		s.Options = func(o *rig.Options) {
			o.Databases[0].Cache.Rules = []querycache.Rule{{Tables: []string{"games"}, Clock: &day}}
		}
	})
	f.hits(t, "select id from games where at < now()", "select count(*) from games where at > current_date - 7", "select id from games where at < localtimestamp",
		"select id from games where at > transaction_timestamp() and at < statement_timestamp() + interval '1 day'", "select id from current_games",
		"select /* overdrive: clock=24h */ at from other where at < now()", "select /* overdrive: clock=24h */ current_date")
	f.never(t, neverKept, "select at from other where at < now()", "select now()", "select /* overdrive: clock=0 */ id from games where at < now()",
		"select id from games where at < clock_timestamp()", "select id, random() from games where at < now()", "select id from games where at > 'today' or at < now()",
		"select id, current_user from games where at < now()", "select timeofday(), id from games")
	f.seen(t, seenWrite{query: "select count(*) from games where at < now()", write: "insert into games values (3, '2021-01-01')"})
}
