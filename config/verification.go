package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// This file is how we know a server for the right one, and what it may ask of us.

// systemRoots as SSLRootCert means the authorities that the system trusts.
const systemRoots = "system"

// verification completes sslmode and sslrootcert, which go by each other. Each of the system's authorities signs certificates
// for anybody, so they prove nothing unless the name is compared: as in libpq, they want verify-full. A mode that verifies the
// chain alone wants an authority of its own for the same reason.
func (up *Upstream) verification() error {
	switch {
	case up.SSLRootCert == systemRoots && up.SSLMode == "":
		up.SSLMode = TLSVerifyFull
	case up.SSLRootCert == systemRoots && up.SSLMode != TLSVerifyFull:
		return fmt.Errorf("sslrootcert=system needs sslmode=verify-full, got sslmode=%s", up.SSLMode)
	case up.SSLRootCert == "" && up.SSLMode == TLSVerifyCA:
		return errors.New("sslmode=verify-ca needs sslrootcert, the file of the authority")
	case up.SSLMode == "":
		up.SSLMode = TLSPrefer
	}
	return nil
}

// ChannelBinding says whether our proof is bound to the server's certificate, so that nobody between us and the server can use it.
// Empty is "prefer".
type ChannelBinding string

const (
	BindingDisable ChannelBinding = "disable"
	BindingPrefer  ChannelBinding = "prefer"
	BindingRequire ChannelBinding = "require"
)

var channelBindings = []ChannelBinding{BindingDisable, BindingPrefer, BindingRequire}

// The words of require_auth: what is spoken here, and libpq's words for the rest.
var (
	authWords    = []string{"none", "password", "md5", "scram-sha-256"}
	foreignWords = []string{"gss", "sspi", "oauth"}
)

// checkRequireAuth checks a list of methods, either all as they are, which allows them, or all behind an exclamation mark,
// which refuses them.
func checkRequireAuth(text string) error {
	if text == "" {
		return nil
	}
	words := strings.Split(text, ",")
	negative := strings.HasPrefix(strings.TrimSpace(words[0]), "!")
	var named []string
	for _, word := range words {
		word, negated := strings.CutPrefix(strings.TrimSpace(word), "!")
		switch {
		case negated != negative:
			return errors.New("require_auth must name either what is allowed or, with !, what is not")
		case slices.Contains(named, word):
			return fmt.Errorf("require_auth has %s twice", quoteName(word))
		case !slices.Contains(authWords, word) && !slices.Contains(foreignWords, word):
			return fmt.Errorf("require_auth must be a list of %s, got %s", strings.Join(authWords, ", "), quoteName(word))
		}
		named = append(named, word)
	}
	spoken := slices.DeleteFunc(named, func(word string) bool { return slices.Contains(foreignWords, word) })
	if negative && len(spoken) == len(authWords) || !negative && len(spoken) == 0 {
		return errors.New("require_auth allows no method that is supported")
	}
	return nil
}
