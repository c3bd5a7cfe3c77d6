package session

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// This file is about parameters of the user's own, such as app.tenant, that code sets: a function whose argument is the name, say. pg_settings shows
// none of them, so they can only be asked for by name. The names that may be meant are those that any client of the database has set, and those
// that the catalog has found in functions.

// maxOwned bounds the names that are remembered.
const maxOwned = 100

// Owned are the names that may be meant in an upstream database. Safe for concurrent use. The zero value has none.
type Owned struct {
	mu    sync.Mutex                      // held by whoever changes names
	names atomic.Pointer[map[string]bool] // that clients have set
	found atomic.Pointer[[]string]        // in functions
	codes atomic.Bool                     // there was code that sets parameters when somebody last looked
}

// Found notes the names that stand in functions by the catalog of now, and whether code may set any parameter. The slice must not be changed any more.
func (o *Owned) Found(names []string, configures bool) {
	o.found.Store(&names)
	o.codes.Store(configures)
}

// note remembers the name of a parameter that a client has set, if it is one of the user's own.
func (o *Owned) note(name string) {
	if !strings.Contains(name, ".") {
		return
	}
	if o.known()[name] || len(name) > maxNameBytes {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.known()) >= maxOwned {
		return
	}
	next := maps.Clone(o.known())
	if next == nil {
		next = map[string]bool{}
	}
	next[name] = true
	o.names.Store(&next)
}

// known returns the names that clients have set, which must not be changed.
func (o *Owned) known() map[string]bool {
	if names := o.names.Load(); names != nil {
		return *names
	}
	return nil
}

// add appends all of the names, those that were found and those that clients have set.
func (o *Owned) add(names []string) []string {
	if found := o.found.Load(); found != nil {
		names = append(names, *found...)
	}
	return slices.AppendSeq(names, maps.Keys(o.known()))
}
