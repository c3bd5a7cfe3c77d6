package pgauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrMethod says that the server asks for another proof than it may be given, or that it asks for none where it must.
var ErrMethod = errors.New("authentication method is not allowed")

// LoginMethod is a way in which a server has us prove who we are.
type LoginMethod uint8

// The methods, by libpq's words for require_auth.
const (
	LoginNone     LoginMethod = 1 << iota // "none": the server lets us in without a question
	LoginPassword                         // "password": the password in clear
	LoginMD5                              // "md5"
	LoginSCRAM                            // "scram-sha-256"
)

// loginWords are the words for what is spoken here. foreignWords are libpq's for what is not.
var loginWords = []struct {
	word   string
	method LoginMethod
}{{"none", LoginNone}, {"password", LoginPassword}, {"md5", LoginMD5}, {"scram-sha-256", LoginSCRAM}}

var foreignWords = []string{"gss", "sspi", "oauth"}

const anyMethod = LoginNone | LoginPassword | LoginMD5 | LoginSCRAM

// A Requirement says what a server may ask of us. The zero value allows everything but a password in clear where others
// could read it.
type Requirement struct {
	refused LoginMethod // methods that are not allowed
	clear   bool        // a password in clear was asked for by name, so it may travel unprotected
	bound   bool        // channel_binding=require
}

// ParseRequirement reads libpq's require_auth: a list of the methods that are allowed, or, each with an exclamation mark
// before it, of those that are not. An empty text is the zero value.
func ParseRequirement(text string) (Requirement, error) {
	if text == "" {
		return Requirement{}, nil
	}
	var named LoginMethod
	words := strings.Split(text, ",")
	negative := strings.HasPrefix(strings.TrimSpace(words[0]), "!")
	var seen []string
	for _, word := range words {
		word, negated := strings.CutPrefix(strings.TrimSpace(word), "!")
		switch {
		case negated != negative:
			return Requirement{}, errors.New("require_auth must name either what is allowed or, with !, what is not")
		case slices.Contains(seen, word):
			return Requirement{}, fmt.Errorf("require_auth names %q twice", word)
		}
		seen = append(seen, word)
		method, known := loginMethod(word)
		if !known {
			return Requirement{}, fmt.Errorf("require_auth has the method %q, want none, password, md5 or scram-sha-256", word)
		}
		named |= method
	}
	switch {
	case negative && named == anyMethod, !negative && named == 0:
		return Requirement{}, errors.New("require_auth allows no method that is supported")
	case negative:
		return Requirement{refused: named}, nil
	}
	return Requirement{refused: anyMethod &^ named, clear: named&LoginPassword != 0}, nil
}

// WithBinding narrows a requirement down to a proof that is bound to the server's certificate, which only SCRAM can give.
func (r Requirement) WithBinding() Requirement {
	r.bound = true
	return r
}

// loginMethod returns the method that a word means; none, though known, for what is not spoken here.
func loginMethod(word string) (method LoginMethod, known bool) {
	for _, w := range loginWords {
		if w.word == word {
			return w.method, true
		}
	}
	return 0, slices.Contains(foreignWords, word)
}

// check refuses a method that the server asks for. private says that nobody else can read what is sent.
func (r Requirement) check(method LoginMethod, private bool) error {
	switch {
	case r.bound && method != LoginSCRAM:
		return fmt.Errorf("%w: server asks for %v, and channel_binding=require wants SCRAM-SHA-256-PLUS", ErrMethod, method)
	case r.refused&method != 0 && method == LoginNone:
		return fmt.Errorf("%w: server asks for no proof, and require_auth wants one", ErrMethod)
	case r.refused&method != 0:
		return fmt.Errorf("%w: server asks for %v, and require_auth does not name it", ErrMethod, method)
	case method == LoginPassword && !private && !r.clear:
		return fmt.Errorf("%w: server asks for the password in clear over a connection without TLS; "+
			"require_auth=password would send it", ErrMethod)
	}
	return nil
}

// String is the word for the method.
func (m LoginMethod) String() string {
	for _, w := range loginWords {
		if w.method == m {
			return w.word
		}
	}
	return "unknown"
}
