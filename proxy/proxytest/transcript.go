package proxytest

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Dialer connects a script's client.
type Dialer func(client string) (*Wire, error)

// Transcript is what servers said to a script's clients, normalised, in the order in which the script read it.
type Transcript []Reply

// Reply is what one wait read.
type Reply struct {
	Client   string
	Line     int // of the wait
	Messages []Message
}

// String writes a line for each message.
func (t Transcript) String() string {
	var b strings.Builder
	for _, reply := range t {
		for _, m := range reply.Messages {
			fmt.Fprintf(&b, "%d %s< %v\n", reply.Line, reply.Client, m)
		}
	}
	return b.String()
}

// Run plays the script. The transcript is complete when the error is nil; otherwise it ends where the error was.
func (s *Script) Run(dial Dialer) (Transcript, error) {
	var transcript Transcript
	players := make(map[string]*player)
	defer func() {
		for _, p := range players {
			p.wire.Close()
		}
	}()
	for _, line := range s.lines {
		p := players[line.client]
		if p == nil {
			wire, err := dial(line.client)
			if err != nil {
				return transcript, fmt.Errorf("%s:%d: %w", s.Name, line.number, err)
			}
			p = &player{wire: wire}
			players[line.client] = p
		}
		if line.wait == "" {
			p.unsent = append(p.unsent, line.message...)
			p.owe(line.message)
			continue
		}
		got, err := p.wait(line.wait, line.count)
		transcript = append(transcript, Reply{line.client, line.number, Normalise(got)})
		if err != nil {
			return transcript, fmt.Errorf("%s:%d: wait %s: %w", s.Name, line.number, line.wait, err)
		}
	}
	return transcript, nil
}

// player is one client of a running script.
type player struct {
	wire   *Wire
	unsent []byte
	// owed has the type of each message of the extended protocol that has not had its reply, and of each Query and
	// Sync that has not had its ReadyForQuery.
	owed []byte
}

func (p *player) owe(message []byte) {
	if strings.IndexByte("PBDECQS", message[0]) >= 0 {
		p.owed = append(p.owed, message[0])
	}
}

// wait sends what is unsent and reads until what is waited for. It reads while it writes, since a server that cannot
// write does not read either.
func (p *player) wait(what string, count int) ([]Message, error) {
	sent := make(chan error, 1)
	go func(b []byte) { sent <- p.wire.Send(b) }(p.unsent)
	p.unsent = nil
	got, err := p.receive(what, count)
	if sendErr := <-sent; err == nil && what != "close" {
		err = sendErr
	}
	return got, err
}

func (p *player) receive(what string, count int) ([]Message, error) {
	var got []Message
	for what != "flush" || p.owesExtended() {
		m, err := p.wire.Receive()
		if errors.Is(err, io.EOF) && what == "close" {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, m)
		p.settle(m.Type)
		switch {
		case what == "ready" && m.Type == 'Z':
			if count--; count == 0 {
				return got, nil
			}
		case what == "copyin" && m.Type == 'G', what == "notify" && m.Type == 'A':
			return got, nil
		case what == "copyin" && (m.Type == 'E' || m.Type == 'Z'):
			return got, fmt.Errorf("got %v", m)
		}
	}
	return got, nil
}

func (p *player) owesExtended() bool {
	return len(p.owed) > 0 && p.owed[0] != 'Q' && p.owed[0] != 'S'
}

// settle takes from owed what a reply of type typ settles.
func (p *player) settle(typ byte) {
	switch {
	case typ == 'Z':
		p.skipToReady()
		p.owed = p.owed[min(1, len(p.owed)):]
	case typ == 'E':
		p.skipToReady() // the server skips to the Sync too
	case p.owesExtended() && strings.IndexByte(settledBy[p.owed[0]], typ) >= 0:
		p.owed = p.owed[1:]
	}
}

// settledBy has, for each message of the extended protocol, the replies of which one ends it.
var settledBy = map[byte]string{'P': "1", 'B': "2", 'C': "3", 'D': "Tn", 'E': "CsI"}

func (p *player) skipToReady() {
	for p.owesExtended() {
		p.owed = p.owed[1:]
	}
}
