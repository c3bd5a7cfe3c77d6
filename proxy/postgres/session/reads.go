package session

import "overdrive/querycache/classify"

// This file is about statements that write nothing by their verdict, and are sent to a server: by DDL of others that is committed before they run they
// may write. So it is noted what they are until it is known what they have done; see alterations.go.

// maxReads bounds what is noted of the reads of one transaction, or pipeline. Of more only the number is known.
const maxReads = 64

// reads are those of one connection, the oldest first.
type reads struct {
	all []read
	// more tells that there were more, and since which version.
	more  bool
	since uint64
}

// A read is a statement, or several that are the same.
type read struct {
	verdict *classify.Verdict
	version uint64 // of the catalog when it was sent
	batch   uint64 // the last one of them
}

// read notes a statement that is sent next.
func (m *marks) read(v *classify.Verdict) {
	if !v.Hangs() || m.conn.identity.Cache == nil {
		return
	}
	r, version, batch := &m.reads, m.conn.identity.Usual.Classifier.Version(), m.conn.owed.sent
	for i := range r.all {
		if one := &r.all[i]; one.verdict == v && one.version == version {
			one.batch = batch
			return
		}
	}
	switch {
	case len(r.all) < maxReads:
		r.all = append(r.all, read{v, version, batch})
	case !r.more:
		r.more, r.since = true, version
	}
}

// settleReads is called when no transaction is open: those whose batches were answered have taken effect, if they had any and were not rolled back.
func (m *marks) settleReads() {
	if len(m.reads.all) == 0 {
		return
	}
	o, r := m.conn.identity, &m.reads
	if c := o.Usual.Classifier; m.kept && (o.Alterations.count.Load() > 0 || c.Version() != r.all[0].version) && !m.readsHeld() {
		o.Cache.BeginWrite(&unseenRun.Statement).End()
	}
	kept := r.all[:0]
	for _, one := range r.all {
		if one.batch >= m.conn.owed.answered {
			kept = append(kept, one)
		}
	}
	clear(r.all[len(kept):])
	r.all, r.more = kept, r.more && len(kept) > 0
}

// dropReads is called when the connection leaves.
func (m *marks) dropReads() {
	if len(m.reads.all) > 0 && !m.readsHeld() {
		m.conn.identity.Cache.BeginWrite(&unseenRun.Statement).End()
	}
	m.reads = reads{}
}

// readsHeld reports whether all of them have certainly done what their verdicts say.
func (m *marks) readsHeld() bool {
	c, committing := m.conn.identity.Usual.Classifier, m.conn.identity.Alterations.announced(m)
	for _, one := range m.reads.all {
		if !c.Held(one.verdict, one.version, committing) {
			return false
		}
	}
	return !m.reads.more || len(committing) == 0 && c.Version() == m.reads.since
}
