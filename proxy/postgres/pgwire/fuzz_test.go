package pgwire

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzPeekHeader walks a stream as the machine does, in two pieces and at once, and wants the same messages.
func FuzzPeekHeader(f *testing.F) {
	f.Add([]byte("Q\x00\x00\x00\x0dselect 1\x00S\x00\x00\x00\x04"), uint16(7))
	f.Add([]byte("Q\x00\x00\x00\x03"), uint16(2))
	f.Add([]byte("D\xff\xff\xff\xff"), uint16(4))
	f.Add([]byte("S\x00\x00\x00\x04S\x00\x00\x00\x04S"), uint16(5))
	const limit = 100
	walk := func(pieces ...[]byte) (messages [][]byte, broken bool, left int) {
		var in Inbox
		for _, p := range pieces {
			b := in.Join(bytes.Clone(p))
			for {
				h, ok, err := PeekHeader(b, limit)
				if err != nil {
					return messages, true, 0
				}
				if ok && h.Body > limit {
					return nil, false, -1
				}
				if !ok || len(b) < h.Total() {
					break
				}
				messages = append(messages, bytes.Clone(b[:h.Total()]))
				b = b[h.Total():]
			}
			in.Keep(b)
			clear(p)
		}
		return messages, false, in.Len()
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		cut := int(at) % (len(b) + 1)
		one, broken, left := walk(bytes.Clone(b))
		two, broken2, left2 := walk(bytes.Clone(b[:cut]), bytes.Clone(b[cut:]))
		if broken != broken2 || left != left2 || !equalAll(one, two) {
			t.Errorf("at once: %q, %v, %d; cut at %d: %q, %v, %d", one, broken, left, cut, two, broken2, left2)
		}
		if left < 0 || left > limit+HeaderLen {
			t.Errorf("got %d bytes left, want at most a message", left)
		}
		if !broken && !bytes.Equal(bytes.Join(one, nil), b[:len(b)-left]) {
			t.Errorf("the messages are not the stream")
		}
	})
}

func equalAll(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// FuzzSplit feeds any body to everything that takes one apart. What is accepted must be the body again when it is put
// together.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"", "\x00", "s\x00select 1\x00\x00\x00", "s\x00q\x00\x00\x01\x00\x00\x00\x17", "p\x00s\x00\x00\x00\x00\x00\x00\x00", "Ss\x00", "P\x00",
		"p\x00\x00\x00\x00\x00", "select 1\x00", "TimeZone\x00UTC\x00", "SERROR\x00C42601\x00Mno\x00\x00", "s\x00q\x00\xff\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		same := func(what string, parts ...[]byte) {
			t.Helper()
			if got := bytes.Join(parts, nil); !bytes.Equal(got, body) {
				t.Errorf("%s: got %q from %q", what, got, body)
			}
		}
		zero := []byte{0}
		if s, rest, ok := CutString(body); ok {
			same("CutString", s, zero, rest)
		}
		if name, rest, err := SplitParse(body); err == nil {
			same("SplitParse", name, zero, rest)
			same("AppendParse", AppendParse(nil, string(name), rest)[HeaderLen:])
		}
		if portal, statement, rest, ok := SplitBind(body); ok {
			same("SplitBind", portal, zero, statement, zero, rest)
			same("AppendBindHead", AppendBindHead(nil, portal, string(statement), len(rest))[HeaderLen:], rest)
		}
		if what, name, err := SplitTarget(body); err == nil {
			same("AppendTarget", AppendTarget(nil, Close, what, string(name))[HeaderLen:])
		}
		if portal, _, err := SplitExecute(body); err == nil && len(portal) != len(body)-5 {
			t.Errorf("SplitExecute: got portal %q from %q", portal, body)
		}
		if text, err := SplitQuery(body); err == nil {
			same("AppendString", AppendString(nil, Query, string(text))[HeaderLen:])
		}
		if name, value, err := SplitParameterStatus(body); err == nil {
			same("AppendParameterStatus", AppendParameterStatus(nil, string(name), string(value))[HeaderLen:])
		}
		r := ReadError(body)
		if len(r.Severity)+len(r.Code)+len(r.Message) > len(body) {
			t.Errorf("ReadError: got %+v from %q", r, body)
		}
	})
}

func FuzzParseStartup(f *testing.F) {
	f.Add([]byte("user\x00u\x00database\x00d\x00\x00"))
	f.Add([]byte("user\x00u\x00_pq_.x\x00y\x00options\x00-c a=b\x00\x00"))
	f.Add([]byte{0})
	f.Add([]byte("user\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseStartup(Version30, b)
		if err != nil {
			return
		}
		var again []byte
		for _, p := range s.Params {
			again = append(again, p.Name+"\x00"+p.Value+"\x00"...)
		}
		if again = append(again, 0); !bytes.Equal(again, b) {
			t.Errorf("got %q from %q", again, b)
		}
		s.Unknown()
	})
}

func FuzzParseOptions(f *testing.F) {
	for _, seed := range []string{"", "-c a=b", "--a-b=c", `-c a=b\ c`, "-ca=b -c", `\`, "-c =", "--=", "- -- -c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, options string) {
		params, err := ParseOptions(options)
		if err != nil {
			return
		}
		escape := strings.NewReplacer(`\`, `\\`, " ", `\ `, "\t", "\\\t", "\n", "\\\n", "\v", "\\\v", "\f", "\\\f", "\r", "\\\r")
		var again []string
		for _, p := range params {
			if p.Name == "" {
				t.Fatalf("got a parameter without a name from %q", options)
			}
			again = append(again, "-c "+escape.Replace(p.Name+"="+p.Value))
		}
		back, err := ParseOptions(strings.Join(again, " "))
		if err != nil || len(back) != len(params) {
			t.Fatalf("%q written anew is %q: got %q, %v", options, again, back, err)
		}
		for i := range back {
			if back[i] != params[i] {
				t.Errorf("%q written anew is %q: got %q, want %q", options, again, back[i], params[i])
			}
		}
	})
}
