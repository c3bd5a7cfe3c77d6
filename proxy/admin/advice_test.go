package admin_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestAdvice_IsForWhoeverSeesTheDatabase(t *testing.T) {
	c := startConsole(t)
	for _, mode := range modes {
		rows := ask(t, c.login("app", mode), "SHOW ADVICE")
		equal(t, "database", columnOf(rows, "database"), "shop", "shop")
		equal(t, "query", columnOf(rows, "query"), "00000000000000fe", nil)
		equal(t, "kind", columnOf(rows, "kind"), "loop", "index")
		equal(t, "time", columnOf(rows, "time"), 0.1235, 0.0)
		equal(t, "statement", columnOf(rows, "statement"), "select 1 from shop", "")
		equal(t, "advice", columnOf(rows, "advice"), "for app", "nobody was there")
	}
	watch := c.login("watch", pgx.QueryExecModeSimpleProtocol)
	equal(t, "all", columnOf(ask(t, watch, "show advice"), "database"), "lab", "lab", "shop", "shop")
	equal(t, "one", columnOf(ask(t, watch, "show advice database lab"), "database"), "lab", "lab")
	if _, err := c.login("app", pgx.QueryExecModeExec).Exec(t.Context(), "show advice database lab"); err == nil {
		t.Error("another's database is shown")
	}
}
