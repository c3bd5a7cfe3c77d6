package admin

import (
	"fmt"
	"sync"
)

// Places on the console. Administrators have their own, so that others cannot keep them out.
const (
	maxConnections = 32 // of administrators; and as many of all others
	maxPerUser     = 8  // of one of the others
)

// places are the connections to the console, by who has them.
type places struct {
	mu     sync.Mutex // guards the fields below
	admins int
	others int
	byUser map[string]int // of the others
}

// take gives a caller a place, or says why there is none. leave must be called if it does.
func (p *places) take(who *caller) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case who.admin && p.admins < maxConnections:
		p.admins++
		return nil
	case who.admin, p.others >= maxConnections:
		return &commandError{codeTooManyConnections, fmt.Sprintf("the console has %d clients already", maxConnections)}
	case p.byUser[who.user] >= maxPerUser:
		return &commandError{codeTooManyConnections, fmt.Sprintf("the console has %d clients of user %q already", maxPerUser, who.user)}
	}
	if p.byUser == nil {
		p.byUser = make(map[string]int)
	}
	p.others++
	p.byUser[who.user]++
	return nil
}

// leave gives a place back.
func (p *places) leave(who *caller) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if who.admin {
		p.admins--
		return
	}
	p.others--
	if p.byUser[who.user]--; p.byUser[who.user] == 0 {
		delete(p.byUser, who.user)
	}
}

// count returns how many places are taken.
func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.admins + p.others
}
