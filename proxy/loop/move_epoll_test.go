//go:build linux && !portable_loop

package loop

import "testing"

// Whoever moves a conn learns where it is before it learns that it broke there.
func TestMove_ThatCannotBeRegisteredArrivesAndThenFails(t *testing.T) {
	from, to := startLoop(t, Options{}), startLoop(t, Options{})
	_, ours := tcpPair(t)
	heard := make(chan string, 2)
	c := adopt(t, from, ours, &hears{failed: func(error) { heard <- "OnError" }})
	on(t, from, func() {
		c.sock.close() // the kernel refuses to watch it from now on
		c.Move(to, func() { heard <- "arrived" })
	})
	for _, want := range []string{"arrived", "OnError"} {
		if got := await(t, heard); got != want {
			t.Errorf("heard %s, want %s", got, want)
		}
	}
}
