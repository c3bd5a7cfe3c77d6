package proxytest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Script is a conversation of one client or several, read from a file of this form:
//
//	# Prose that says what is shown, at the head of the file.
//
//	client> Parse s "select $1::int" []
//	client> Bind "" s ["1"] [] [1]
//	client> Execute "" 0
//	client> Sync
//	wait 1
//
// The word before > names the client; clients connect when they are first named. What follows it is a message, with
// names and texts quoted as in Go where they are more than a word:
//
//	Query "sql"                                Parse name "sql" [oids]
//	Bind portal statement [params] [param formats] [result formats]
//	Describe S|P name                          Close S|P name
//	Execute portal max                         Sync, Flush, Terminate
//	CopyData "text"                            CopyDone, CopyFail "reason"
//	raw 5300000004                             any bytes, in hexadecimal
//
// A parameter is null, a text, or bytes in hexadecimal after x (x00000001). Lists at the end may be left out.
//
// Messages go out together at the next wait of their client, which then reads:
//
//	wait 2         up to the second ReadyForQuery
//	wait flush     every reply that the messages so far will get without a Sync
//	wait copyin    up to CopyInResponse
//	wait notify    up to NotificationResponse
//	wait close     up to the end of the connection
//
// A wait belongs to the client of the line before it, unless it names its own.
type Script struct {
	Name  string
	lines []scriptLine
}

type scriptLine struct {
	number  int
	client  string
	message []byte // what is sent, or
	wait    string // what is waited for
	count   int    // with wait "ready"
}

// ReadScript reads the script in a file.
func ReadScript(path string) (*Script, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseScript(path, string(text))
}

// ParseScript reads a script from text; name is for errors.
func ParseScript(name, text string) (*Script, error) {
	s := &Script{Name: name}
	client := ""
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if head, rest, found := strings.Cut(line, "> "); found && isWord(head) {
			client, line = head, rest
		} else if client == "" || !strings.HasPrefix(line, "wait ") {
			return nil, fmt.Errorf("%s:%d: no client is named", name, number)
		}
		parsed, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		parsed.number, parsed.client = number, client
		s.lines = append(s.lines, parsed)
	}
	if len(s.lines) == 0 || s.lines[len(s.lines)-1].wait == "" {
		return nil, fmt.Errorf("%s: must end with a wait", name)
	}
	return s, nil
}

func isWord(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') }) < 0
}

func parseLine(line string) (scriptLine, error) {
	args := &arguments{rest: line}
	command := args.word()
	if command == "wait" {
		what := args.word()
		if n, err := strconv.Atoi(what); err == nil && n > 0 {
			return scriptLine{wait: "ready", count: n}, args.end()
		}
		if !slices.Contains([]string{"flush", "copyin", "notify", "close"}, what) {
			return scriptLine{}, fmt.Errorf("cannot wait for %q", what)
		}
		return scriptLine{wait: what}, args.end()
	}
	msg := args.message(command)
	return scriptLine{message: msg}, args.end()
}

// arguments reads a line from left to right. The first error stays.
type arguments struct {
	rest string
	err  error
}

func (a *arguments) message(command string) []byte {
	switch command {
	case "Query":
		return Query(a.text())
	case "Parse":
		return Parse(a.text(), a.text(), a.oids()...)
	case "Bind":
		return Bind(a.text(), a.text(), a.params(), a.ints(), a.ints())
	case "Describe":
		return Describe(a.kind(), a.text())
	case "Close":
		return CloseName(a.kind(), a.text())
	case "Execute":
		return Execute(a.text(), a.int())
	case "Sync":
		return Sync()
	case "Flush":
		return Flush()
	case "Terminate":
		return Terminate()
	case "CopyData":
		return CopyData([]byte(a.text()))
	case "CopyDone":
		return CopyDone()
	case "CopyFail":
		return CopyFail(a.text())
	case "raw":
		b, err := hex.DecodeString(a.word())
		a.fail(err)
		return b
	default:
		a.fail(fmt.Errorf("%q is no message", command))
		return nil
	}
}

func (a *arguments) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

func (a *arguments) end() error {
	if a.err == nil && a.rest != "" {
		a.err = fmt.Errorf("%q is too much", a.rest)
	}
	return a.err
}

// word takes what is before the next space.
func (a *arguments) word() string {
	word, rest, _ := strings.Cut(a.rest, " ")
	a.rest = strings.TrimLeft(rest, " ")
	if word == "" {
		a.fail(errors.New("something is missing at the end"))
	}
	return word
}

// text takes a word, or a text in quotes.
func (a *arguments) text() string {
	quoted, err := strconv.QuotedPrefix(a.rest)
	if err != nil {
		return a.word()
	}
	a.rest = strings.TrimLeft(a.rest[len(quoted):], " ")
	text, err := strconv.Unquote(quoted)
	a.fail(err)
	return text
}

func (a *arguments) int() int {
	n, err := strconv.Atoi(a.word())
	a.fail(err)
	return n
}

func (a *arguments) kind() byte {
	kind := a.word()
	if len(kind) != 1 { // S or P, or one that is wrong
		a.fail(fmt.Errorf("%q is no letter", kind))
		return 0
	}
	return kind[0]
}

// list takes the items of [a, "b", c]; without a [ there are none. Items in quotes keep them.
func (a *arguments) list() []string {
	if !strings.HasPrefix(a.rest, "[") {
		return nil
	}
	a.rest = strings.TrimLeft(a.rest[1:], " ")
	var items []string
	for !strings.HasPrefix(a.rest, "]") {
		item, err := strconv.QuotedPrefix(a.rest)
		if err != nil {
			item = a.rest[:max(strings.IndexAny(a.rest, ",]"), 0)]
		}
		if item == "" {
			a.fail(errors.New("a list lacks its ]"))
			return nil
		}
		items = append(items, strings.TrimSpace(item))
		a.rest = strings.TrimLeft(a.rest[len(item):], " ")
		a.rest = strings.TrimLeft(strings.TrimPrefix(a.rest, ","), " ")
	}
	a.rest = strings.TrimLeft(a.rest[1:], " ")
	return items
}

func (a *arguments) ints() []int {
	var out []int
	for _, item := range a.list() {
		n, err := strconv.Atoi(item)
		a.fail(err)
		out = append(out, n)
	}
	return out
}

func (a *arguments) oids() []uint32 {
	var out []uint32
	for _, n := range a.ints() {
		out = append(out, uint32(n))
	}
	return out
}

func (a *arguments) params() [][]byte {
	var out [][]byte
	for _, item := range a.list() {
		switch {
		case item == "null":
			out = append(out, nil)
		case item[0] == '"':
			text, err := strconv.Unquote(item)
			a.fail(err)
			out = append(out, []byte(text))
		case item[0] == 'x':
			b, err := hex.DecodeString(item[1:])
			a.fail(err)
			out = append(out, b)
		default:
			a.fail(fmt.Errorf("parameter %q is neither null, a text nor x and bytes", item))
		}
	}
	return out
}
