package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	scramPrefix = "SCRAM-SHA-256$"
	md5Prefix   = "md5"
	sha256Bytes = 32

	maxListErrors = 20 // told at once; a wrong file should not print itself
)

// parseUserlist reads the form of PgBouncer's userlist.txt: on each line a quoted name and a quoted secret, in which ""
// stands for one quote. Lines that are empty or start with ; or # are skipped. Errors name lines, the first maxListErrors of them, never secrets.
func parseUserlist(text string) (map[string]Secret, error) {
	users := make(map[string]Secret)
	var errs []error
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		if len(errs) == maxListErrors {
			break
		}
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		name, rest, ok := quoted(line)
		secret, _, ok2 := quoted(strings.TrimSpace(rest))
		switch {
		case !ok || !ok2 || name == "":
			errs = append(errs, fmt.Errorf(`line %d: must be "name" "secret"`, number))
		case users[name] != "":
			errs = append(errs, fmt.Errorf("line %d: %s is there twice", number, quoteName(name)))
		default:
			users[name] = Secret(secret)
		}
	}
	return users, errors.Join(errs...)
}

// ReadUsers reads a file in the form of userlist.txt.
func ReadUsers(file string) (map[string]Secret, error) { return readUserlist(file) }

// quoted takes a quoted text off the front of s.
func quoted(s string) (text, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for s = s[1:]; ; {
		head, tail, found := strings.Cut(s, `"`)
		if !found {
			return "", "", false
		}
		b.WriteString(head)
		if !strings.HasPrefix(tail, `"`) {
			return b.String(), tail, true
		}
		b.WriteByte('"')
		s = tail[1:]
	}
}

// checkSecret says whether s can be used with method. A secret is a password as it is, PostgreSQL's md5 hash, or a
// SCRAM verifier: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey> (as in pg_authid.rolpassword).
func checkSecret(s Secret, method AuthMethod) error {
	switch text := s.Reveal(); {
	case text == "":
		return errors.New("must not be empty")
	case strings.HasPrefix(text, scramPrefix):
		return checkVerifier(text)
	case isMD5(text):
		if method == AuthSCRAM {
			return errors.New("is an md5 hash, with which scram-sha-256 cannot work; use a password or a SCRAM verifier")
		}
	}
	return nil
}

func isMD5(s string) bool {
	digits, found := strings.CutPrefix(s, md5Prefix)
	if !found || len(digits) != 32 {
		return false
	}
	return strings.Trim(digits, "0123456789abcdef") == ""
}

func checkVerifier(text string) error {
	bad := errors.New("is not a SCRAM verifier: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>")
	parts := strings.Split(strings.TrimPrefix(text, scramPrefix), "$")
	if len(parts) != 2 {
		return bad
	}
	iterations, salt, ok := strings.Cut(parts[0], ":")
	stored, server, ok2 := strings.Cut(parts[1], ":")
	if !ok || !ok2 {
		return bad
	}
	if n, err := strconv.ParseUint(iterations, 10, 31); err != nil || n == 0 {
		return bad
	}
	if raw, err := base64.StdEncoding.DecodeString(salt); err != nil || len(raw) == 0 {
		return bad
	}
	for _, key := range []string{stored, server} {
		if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != sha256Bytes {
			return bad
		}
	}
	return nil
}
