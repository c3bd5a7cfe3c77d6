package session

import "time"

// A sink is a socket that takes everything and keeps nothing.
type sink struct{ bytes int }

func (s *sink) Write(b []byte) { s.bytes += len(b) }
func (s *sink) WriteShared(b []byte, loan Releaser) {
	s.bytes += len(b)
	if loan != nil {
		loan.Release()
	}
}
func (s *sink) Pending() int     { return 0 }
func (s *sink) Congested() bool  { return false }
func (s *sink) PauseRead()       {}
func (s *sink) ResumeRead()      {}
func (s *sink) Close()           {}
func (s *sink) CloseAfterFlush() {}

// lone is the driver of a session with a server of its own.
type lone struct {
	*fakeDriver
	conn *ServerConn
}

func (d *lone) Acquire(time.Time, bool) *ServerConn { return d.conn }

// keeps is the driver of a server that stays with its session.
type keeps struct{ *testServer }

func (keeps) Release() {}
