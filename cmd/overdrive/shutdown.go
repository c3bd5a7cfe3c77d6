package main

import (
	"time"

	"overdrive/proxy"
)

// This file is how the console has the program end. It says so to whoever waits for the end: see running.wait.
//
//	SHUTDOWN ─────────────────────────────────────────────────────▶ ending ─▶ stop, at once
//	SHUTDOWN WAIT_FOR_… ─▶ ending, and nobody new is let in ─ … ─▶ ending ─▶ stop, at once
//	SIGTERM, meanwhile or not ──────────────────────────────────────────────▶ stop, after limits.shutdown_timeout

// shutDown has the program end, and does not wait for that.
func (r *running) shutDown(how proxy.Ending) error {
	if how != proxy.EndNow {
		r.server.Shut()
		if how == proxy.EndWithServers {
			r.clients.ReleaseServers()
		}
		r.server.Go(func() { r.awaitLast(how) })
	}
	r.end(how)
	return nil
}

// end tells of an ending, unless the end has come already.
func (r *running) end(how proxy.Ending) {
	select {
	case r.endings <- how:
	case <-r.server.Context().Done():
	}
}

// lastLook is between two looks at whether all have left.
const lastLook = 50 * time.Millisecond

// awaitLast ends the program when what it waits for has come about.
func (r *running) awaitLast(how proxy.Ending) {
	over := r.server.Deserted
	if how == proxy.EndWithServers {
		over = r.clients.Released
	}
	look := time.NewTicker(lastLook)
	defer look.Stop()
	for !over() {
		select {
		case <-look.C:
		case <-r.server.Context().Done():
			return
		}
	}
	r.log.Info("nobody is waited for any more")
	r.end(proxy.EndNow)
}
