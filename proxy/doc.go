// Package proxy is what is true of any protocol: it takes clients from listeners, within limits (accept.go, gate.go), keeps their
// sessions on event loops (worker.go, spread.go), finds them again (address.go, registry.go), shares out the processors among texts
// that are judged (judges.go), and has everybody go in the end (shutdown.go). A Protocol, such as overdrive/proxy/postgres, speaks with
// clients and servers, and is the one to know what their bytes mean.
//
//	listener ─▶ gate ─▶ Protocol.Admit ─▶ MoveIn ─▶ Session on the loop of a Worker ─▶ Forget
//	           (a goroutine for each client)       (the Address leads there, wherever that is)
package proxy
