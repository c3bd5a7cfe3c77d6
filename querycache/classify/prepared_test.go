package classify

import (
	"fmt"
	"testing"
)

func TestJudge_TellsThePreparedStatementsThatATextNames(t *testing.T) {
	c := settled(t)
	for text, want := range map[string]string{
		"select 1":                              "[] []",
		"prepare p as select 1":                 "[{p false}] []",
		"PREPARE TRANSACTION 'p'":               "[] []",
		"execute p(1)":                          "[{p true}] []",
		"explain (analyze) execute \"P q\"":     "[{P q true}] []",
		"create table t as execute P":           "[{p true}] []",
		"deallocate p":                          "[{p false}] [p]",
		"/* x */ deallocate /* y */ prepare p":  "[{p false}] [p]",
		"deallocate prepare":                    "[{prepare false}] [prepare]",
		"deallocate all":                        "[] []",
		"deallocate prepare all":                "[] []",
		"deallocate \"all\"":                    "[{all false}] [all]",
		"execute a; deallocate a; deallocate b": "[{a true} {b false}] [a b]",
		"savepoint s; deallocate a; release s":  "[{a false}] [a]",
		"do $$begin execute p; end$$":           "[] []",
		"select 'execute p'":                    "[] []",
	} {
		v := c.Judge([]byte(text))
		if got := fmt.Sprint(v.Prepared, v.Dropped); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
