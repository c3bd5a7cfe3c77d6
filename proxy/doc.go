// Package proxy serves the clients of any protocol: it takes clients from listeners, within limits (accept.go, gate.go), keeps their
// sessions on event loops (worker.go, spread.go), finds them again (address.go, registry.go), shares out the processors among texts
// that are judged (judges.go), and has everybody go in the end (shutdown.go). A Protocol, such as overdrive/proxy/postgres, speaks with
// clients and servers, and is the one to know what their bytes mean.
//
//	listener ─▶ gate ─▶ Protocol.Admit ─▶ MoveIn ─▶ Session on the loop of a Worker ─▶ Forget
//	           (a goroutine for each client)       (the Address leads there, wherever that is)
//
// The files stand on floors. A call goes to the right on its floor, or to a floor below; a test holds it.
//
//	server    server.go spread.go processor_unix.go processor_other.go clients.go accept.go shutdown.go alive.go
//	leaves    worker.go gate.go judges.go registry.go protocol.go address.go errors.go control.go advice.go
package proxy
