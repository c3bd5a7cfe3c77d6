package checklist_test

import (
	"overdrive/pool"
	"overdrive/proxy/proxytest/rig"
)

// ownServers has every client be its own server user.
func ownServers(o *rig.Options) {
	o.Databases[0].Target.User = ""
	o.Databases[0].Pool = pool.Limits{Size: 2, WaitTimeout: rig.Patience}
}

// oneLoop makes the order certain in which the proxy takes up what clients send.
func oneLoop(o *rig.Options) { o.Loops = 1 }
