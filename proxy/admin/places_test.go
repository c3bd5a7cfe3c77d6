package admin_test

import (
	"testing"
	"testing/synctest"
	"time"

	"overdrive/proxy/postgres/pgwire"
)

func TestConn_OthersCannotKeepAdministratorsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole()
		for range 8 {
			dialWireAs(t, c, "app").want("greeting", "RKZ")
		}
		dialWireAs(t, c, "app").want("one too many of one user", "E(53300)!")
		dialWireAs(t, c, "eve").want("another user", "RKZ")
		for range 32 {
			dialWire(t, c).want("administrator", "RKZ")
		}
		dialWireAs(t, c, "eve").want("after 32 administrators", "RKZ")
	})
}

func TestConn_WhoIsSilentForTooLongIsSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConsole()
		root := dialWire(t, c)
		root.want("administrator", "RKZ")
		var silent []*wire
		for range 8 {
			w := dialWireAs(t, c, "app")
			w.want("greeting", "RKZ")
			silent = append(silent, w)
		}
		time.Sleep(9 * time.Minute)
		dialWireAs(t, c, "app").want("one too many", "E(53300)!")
		for _, w := range silent {
			w.want("silent for ten minutes", "E(57P05)!")
		}
		dialWireAs(t, c, "app").want("the next", "RKZ")
		time.Sleep(time.Hour)
		root.send(pgwire.AppendString(nil, pgwire.Query, "show version"))
		root.want("an administrator", "TDCZ")
	})
}
