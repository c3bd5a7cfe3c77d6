package proxytest

import (
	"bytes"
	"slices"
)

// Normalise returns messages without what two equal servers say differently: BackendKeyData is left out, the process id
// in a NotificationResponse is zero, and ParameterStatus messages that follow each other are in alphabetical order, since
// the protocol promises none. The bodies of messages are not changed in place.
func Normalise(messages []Message) []Message {
	out := make([]Message, 0, len(messages))
	run := 0 // where the present run of ParameterStatus starts
	for _, m := range messages {
		switch m.Type {
		case 'K':
			continue
		case 'A':
			m.Body = slices.Clone(m.Body)
			clear(m.Body[:min(4, len(m.Body))])
		}
		out = append(out, m)
		if m.Type != 'S' {
			run = len(out)
			continue
		}
		slices.SortStableFunc(out[run:], func(a, b Message) int { return bytes.Compare(a.Body, b.Body) })
	}
	return out
}
