package loop

import (
	"time"
	_ "unsafe" // go:linkname
)

// This file keeps the Go scheduler calm. To it a loop is one goroutine that never ends its time slice: a system call ends none. So every
// ten milliseconds its monitor, a thread of its own, interrupts the loop by a signal and wakes another thread to take the loop over; and
// after each time it has interfered it looks on 20 µs apart, for a while, instead of ten milliseconds. On two crowded processors that was
// a tenth of the time that the process took. A goroutine that gives way by itself gets a new time slice, and the monitor sleeps.

// giveWayEvery is well below the ten milliseconds of a time slice, as the monitor looks every ten.
const giveWayEvery = 4 * time.Millisecond

// goyield lets the goroutines run that wait for this processor, and then goes on. runtime.Gosched would wake another thread each time,
// to look for work that is not there. Its name and signature are fixed in Go's source for whoever links to it: decision 38.
//
//go:linkname goyield runtime.goyield
func goyield()

// giveWay ends the time slice now and then. It takes the time from the turn's clock, and does nothing in a turn that has none.
func (l *Loop) giveWay() {
	if l.now.Sub(l.gaveWay) < giveWayEvery {
		return
	}
	l.gaveWay = l.now
	goyield()
}
