package pgauth

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseSecret_TellsTheKindsApart(t *testing.T) {
	hash := md5Hex("x")
	for _, c := range []struct {
		text string
		want Kind
	}{
		{"", KindNone},
		{"secret", KindPlain},
		{"md5", KindPlain},
		{"md5" + hash, KindMD5},
		{"md5" + hash[1:], KindPlain},
		{"md5" + strings.ToUpper("abcdef"+hash[6:]), KindPlain}, // as in PostgreSQL
		{"MD5" + hash, KindPlain},
		{"SCRAM-SHA-256", KindPlain},
		{verifierText("x", "salt", 1), KindSCRAM},
	} {
		s, err := ParseSecret(c.text)
		if got := s.Kind(); got != c.want || err != nil {
			t.Errorf("ParseSecret(%q): got %v, %v, want %v", c.text, got, err, c.want)
		}
	}
}

func TestParseSecret_RefusesABrokenVerifierWithoutRepeatingIt(t *testing.T) {
	good := verifierText("x", "salt", 4096)
	fields := strings.FieldsFunc(good, func(r rune) bool { return r == '$' || r == ':' })
	salt, stored, server := fields[2], fields[3], fields[4]
	for _, text := range []string{
		"SCRAM-SHA-256$",
		"SCRAM-SHA-256$" + salt,
		"SCRAM-SHA-256$4096$" + stored + ":" + server,
		"SCRAM-SHA-256$0:" + salt + "$" + stored + ":" + server,
		"SCRAM-SHA-256$-1:" + salt + "$" + stored + ":" + server,
		"SCRAM-SHA-256$10000001:" + salt + "$" + stored + ":" + server,
		"SCRAM-SHA-256$x:" + salt + "$" + stored + ":" + server,
		"SCRAM-SHA-256$4096:$" + stored + ":" + server,
		"SCRAM-SHA-256$4096:!$" + stored + ":" + server,
		"SCRAM-SHA-256$4096:" + salt + "$" + stored,
		"SCRAM-SHA-256$4096:" + salt + "$" + stored[4:] + ":" + server,
		"SCRAM-SHA-256$4096:" + salt + "$" + stored + ":" + server[4:],
		"SCRAM-SHA-256$4096:" + salt + "$" + stored + ":" + server + "$",
		strings.Replace(good, salt, salt[:4]+"\n"+salt[4:], 1),
		good + "x",
		good + "\n",
	} {
		s, err := ParseSecret(text)
		if err == nil || s.Kind() != KindNone {
			t.Errorf("ParseSecret(%q): got %v, want an error", text, s)
		} else if strings.Contains(err.Error(), stored) {
			t.Errorf("ParseSecret(%q): the error repeats the secret: %v", text, err)
		}
	}
}

func TestPlainSecret_TakesAnythingThatCanTravel(t *testing.T) {
	for _, password := range []string{"md5" + md5Hex("x"), verifierText("x", "salt", 1)} {
		if s := mustPlain(t, password); s.Kind() != KindPlain {
			t.Errorf("PlainSecret(%q): got %v", password, s.Kind())
		}
	}
	for _, password := range []string{"zero\x00byte", strings.Repeat("x", MaxResponseBytes)} {
		if s, err := PlainSecret(password); err == nil {
			t.Errorf("PlainSecret(%.20q): got %v, want an error", password, s)
		}
	}
}

func TestSecret_NeverPrintsItself(t *testing.T) {
	s := mustPlain(t, "hunter2")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, value := range []any{s, &s, map[string]Secret{"app": s}} {
			if got := fmt.Sprintf(verb, value); strings.Contains(got, "hunter2") || strings.Contains(got, "68756e746572") ||
				!strings.Contains(got, "Secret(plain)") {
				t.Errorf("%s of %T: got %s", verb, value, got)
			}
		}
	}
}
