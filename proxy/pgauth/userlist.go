package pgauth

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	maxListErrors = 20   // reported at once; a wrong file should not print itself
	maxUserName   = 1024 // bytes; PostgreSQL's names have 63
)

// ReadUserList reads PgBouncer's userlist.txt: one user a line,
//
//	"name" "secret"        ; rest of the line is ignored
//
// with a doubled quote standing for one quote, and secrets as ParseSecret takes them. Empty lines and lines that begin with
// a semicolon are skipped. On any fault the map is nil and the error joins one error a faulty line, each with its number and
// none with a secret.
func ReadUserList(r io.Reader) (map[string]Secret, error) {
	users := make(map[string]Secret)
	seen := make(map[string]int) // user -> line
	var faults []error
	lines := bufio.NewScanner(r)
	number := 0
	for lines.Scan() && len(faults) < maxListErrors {
		number++
		user, secret, ok, err := parseUserLine(lines.Text())
		if err == nil && ok && seen[user] != 0 {
			err = fmt.Errorf("user %q is listed already in line %d", user, seen[user])
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", number, err))
			continue
		}
		if ok {
			users[user], seen[user] = secret, number
		}
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fmt.Errorf("line %d: %w", number+1, err))
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("user list: %w", errors.Join(faults...))
	}
	return users, nil
}

// parseUserLine reports false for a line that names nobody.
func parseUserLine(line string) (user string, secret Secret, ok bool, err error) {
	rest := strings.TrimSpace(line)
	if rest == "" || rest[0] == ';' {
		return "", Secret{}, false, nil
	}
	if !utf8.ValidString(rest) || strings.IndexByte(rest, 0) >= 0 {
		return "", Secret{}, false, errors.New("not UTF-8 text")
	}
	user, rest, ok = cutQuoted(rest)
	if !ok {
		return "", Secret{}, false, errors.New(`user name is not "quoted"`)
	}
	if user == "" || len(user) > maxUserName {
		return "", Secret{}, false, errors.New("user name is empty or too long")
	}
	text, _, ok := cutQuoted(strings.TrimLeft(rest, " \t"))
	if !ok {
		return "", Secret{}, false, fmt.Errorf(`secret of user %q is not "quoted"`, user)
	}
	secret, err = ParseSecret(text)
	if err != nil {
		return "", Secret{}, false, fmt.Errorf("user %q: %w", user, err)
	}
	return user, secret, true, nil
}

// cutQuoted takes a quoted string, in which a doubled quote stands for one, from the front of s.
func cutQuoted(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", s, false
	}
	var b strings.Builder
	for s = s[1:]; ; {
		before, after, found := strings.Cut(s, `"`)
		if !found {
			return "", s, false
		}
		b.WriteString(before)
		if !strings.HasPrefix(after, `"`) {
			return b.String(), after, true
		}
		b.WriteByte('"')
		s = after[1:]
	}
}
