package session

// A Reason says why a session ended. Log level, log word and counter derive from it.
type Reason uint8

const (
	ReasonClientClosed   Reason = iota // it said goodbye, or closed its socket
	ReasonClientLost                   // its socket failed
	ReasonClientProtocol               // it broke the protocol or a limit
	ReasonSettings                     // the server refused its settings
	ReasonNoServer                     // none came within the time, or ever will
	ReasonServerLost                   // its server connection broke
	ReasonShutdown                     // the proxy is stopping
	ReasonKilled                       // an administrator had it end
	ReasonIdle                         // it was idle in a transaction for too long
	ReasonListenerLost                 // nobody listens in its place any more, or it does not take in what is heard
	ReasonPanic                        // a fault of ours, contained

	reasons // how many there are
)

func (r Reason) String() string {
	switch r {
	case ReasonClientClosed:
		return "client closed"
	case ReasonClientLost:
		return "client lost"
	case ReasonClientProtocol:
		return "client broke the protocol"
	case ReasonSettings:
		return "settings refused"
	case ReasonNoServer:
		return "no server connection"
	case ReasonServerLost:
		return "server connection lost"
	case ReasonShutdown:
		return "shutdown"
	case ReasonKilled:
		return "killed by an administrator"
	case ReasonIdle:
		return "idle in transaction"
	case ReasonListenerLost:
		return "listener lost"
	case ReasonPanic:
		return "internal error"
	}
	return "unknown"
}
