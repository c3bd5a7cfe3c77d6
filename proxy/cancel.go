package proxy

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"sync"

	"overdrive/proxy/pgwire"
)

// A CancelKey is what BackendKeyData gave a client, and what its CancelRequest must bring. It is ours: no client ever
// learns the key of a server connection, which serves others a moment later.
type CancelKey struct {
	PID    uint32
	Secret uint32
}

func (k CancelKey) bytes() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, k.PID), k.Secret)
}

// registry finds sessions by the key that their clients were given.
type registry struct {
	mu       sync.Mutex // guards the fields below
	sessions map[uint32]resident
	last     uint32
}

// resident is a session and the worker that it lives on.
type resident struct {
	session *session
	worker  *worker
}

// admit gives a session its key.
func (r *registry) admit(s *session, w *worker) {
	var secret [4]byte
	_, _ = rand.Read(secret[:]) // never fails
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions == nil {
		r.sessions = make(map[uint32]resident)
	}
	for {
		r.last++
		if _, taken := r.sessions[r.last]; r.last != 0 && !taken {
			break
		}
	}
	s.cancelKey = CancelKey{r.last, binary.BigEndian.Uint32(secret[:])}
	r.sessions[r.last] = resident{s, w}
}

// moved notes that a session lives on another worker now.
func (r *registry) moved(s *session, to *worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.sessions[s.cancelKey.PID]; ok {
		r.sessions[s.cancelKey.PID] = resident{s, to}
	}
}

func (r *registry) forget(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s.cancelKey.PID)
}

// find returns the session that a CancelRequest means, and where it lives.
func (r *registry) find(request []byte) (resident, bool) {
	if len(request) != 8 {
		return resident{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.sessions[binary.BigEndian.Uint32(request)]
	if !ok || subtle.ConstantTimeCompare(request, found.session.cancelKey.bytes()) != 1 {
		return resident{}, false
	}
	return found, true
}

func (r *registry) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}

// cancelClient carries out a CancelRequest. It returns when the server has acted on it, as the client's library waits for
// its connection to be closed.
func (s *Server) cancelClient(request []byte) {
	target, ok := s.registry.find(request)
	if !ok {
		return
	}
	done := make(chan struct{})
	posted := target.worker.loop.Post(func() {
		if now, ok := s.registry.find(request); !ok || now.worker != target.worker { // it has just moved: it is at rest
			close(done)
			return
		}
		target.session.cancel(func() { close(done) })
	})
	if posted {
		select {
		case <-done:
		case <-s.context.Done():
		}
	}
}

// cancel stops what the client is doing now. done is called, on any goroutine, when that has had its effect. A request
// that comes too late does nothing: what the server works for then is not this client's, or is ours.
func (s *session) cancel(done func()) {
	s.worker.scratch.reset()
	switch {
	case s.state == waiting:
		if s.broker.abandon(s) {
			s.state = ready
			s.cancelWait()
		} else { // a server is on its way
			s.cancelled = true
		}
		done()
	case s.state == joined:
		s.stopWaiting()
		s.cancelWait()
		done()
	case (s.state == ready || s.state == stalled) && s.busy():
		s.broker.cancel(s.srv, done)
	default:
		done()
	}
}

// cancelWait answers the statement that waited as PostgreSQL answers a cancelled one.
func (s *session) cancelWait() {
	s.giveUpFill()
	s.looked, s.inUnit = false, false
	report := pgwire.ErrorReport{Severity: "ERROR", Code: codeQueryCanceled, Message: errCanceled.Error()}
	s.client.Write(pgwire.AppendError(nil, report))
	b := s.in.Join(nil)
	h, ok, err := pgwire.PeekHeader(b, s.origin.maxMessage)
	switch {
	case !ok || err != nil:
	case h.Type == pgwire.Query || h.Type == pgwire.FunctionCall:
		s.client.Write(s.worker.scratch.ready(pgwire.TxIdle))
		n := min(len(b), h.Total())
		s.left, s.leftDrop = h.Total()-n, true
		s.in.Keep(b[n:])
	default:
		s.midBatch, s.skipToSync = true, true
	}
	s.advance(nil)
}
