package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"overdrive/proxy/proxytest"
)

func TestAdvise_SaysWhatToDoAboutALoop(t *testing.T) {
	proxytest.SharedPostgres(t).Exec("drop table if exists advised; create table advised (a int primary key, b int)")
	from := []string{"--connection-string", sharedDSN(t)}
	s, _ := serveHere(t, from...)
	with := func(args ...string) []string { return append(args, from...) }
	if got := s.command(t, with("advise")...); got.code != exitDone || !strings.HasPrefix(got.out, "There is nothing to advise") {
		t.Errorf("before: got %+v", got)
	}
	conn := login(t, at(t, sharedDSN(t), s.address))
	for i := range 60 {
		query(t, conn, fmt.Sprintf("select b from advised where a = %d", i))
	}
	got := s.command(t, with("advise", "--json")...)
	var list []struct {
		Database, Query, Kind, Statement, Advice string
		Time                                     float64
	}
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list) != 1 || list[0].Kind != "loop" || list[0].Time <= 0 ||
		len(list[0].Query) != 16 || !strings.Contains(list[0].Advice, "a = any ( $1 )") || got.errOut != "" {
		t.Errorf("--json: got %+v, %v", got, err)
	}
	got = s.command(t, with("advise")...)
	lines := strings.Split(got.out, "\n")
	if got.code != exitDone || len(lines) != 4 || !strings.HasPrefix(lines[0], "database  query") || !strings.Contains(lines[1], "  loop  ") ||
		!strings.HasPrefix(lines[2], "    In ") {
		t.Errorf("for people: got %+v", got)
	}
}
