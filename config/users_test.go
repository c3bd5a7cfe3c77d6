package config

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

const verifier = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$" +
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

func TestParseUserlist_ReadsQuotedPairs(t *testing.T) {
	got, err := parseUserlist("; a comment\n\n\"app\" \"pass \"\"word\"\"\" rest\r\n  \"Ünï\"\t\"" + verifier + "\"\n")
	want := map[string]Secret{"app": `pass "word"`, "Ünï": verifier}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %d users, %v", len(got), err)
	}
}

func TestParseUserlist_NamesEveryBadLineAndNoSecret(t *testing.T) {
	_, err := parseUserlist("\"a\" \"1\"\napp hunter2\n\"b\" \"hunter2\n\"a\" \"hunter2\"\n\"\" \"hunter2\"")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"line 2:", "line 3:", "line 4: a is there twice", "line 5:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret shows in %v", err)
	}
}

func TestCheckSecret_KnowsPasswordsHashesAndVerifiers(t *testing.T) {
	const hash = "md50123456789abcdef0123456789abcdef"
	for _, c := range []struct {
		secret Secret
		method AuthMethod
		ok     bool
	}{
		{"hunter2", AuthSCRAM, true},
		{verifier, AuthSCRAM, true},
		{verifier, AuthMD5, true}, // the login is then SCRAM
		{hash, AuthMD5, true},
		{hash, AuthSCRAM, false},
		{hash + "0", AuthSCRAM, true}, // a password that looks a little like a hash
		{"", AuthPassword, false},
		{"SCRAM-SHA-256$", AuthSCRAM, false},
		{Secret(strings.Replace(verifier, "4096", "0", 1)), AuthSCRAM, false},
		{Secret(strings.Replace(verifier, "AAA=:", "AAA:", 1)), AuthSCRAM, false},
		{verifier + "$", AuthSCRAM, false},
	} {
		if err := checkSecret(c.secret, c.method); (err == nil) != c.ok {
			t.Errorf("%s with %s: %v, want ok = %v", c.secret.Reveal(), c.method, err, c.ok)
		}
	}
}

func TestParseUserlist_IsNotFloodedByAWrongFile(t *testing.T) {
	_, err := parseUserlist(strings.Repeat("nonsense\n", 1000))
	if got := strings.Count(err.Error(), "line "); got != maxListErrors {
		t.Errorf("got %d errors, want %d", got, maxListErrors)
	}
}

func FuzzParseUserlist(f *testing.F) {
	f.Add("\"app\" \"se\"\"cret\"\n; comment\n\"a\"\"b\" \"\"")
	f.Fuzz(func(t *testing.T, text string) {
		users, err := parseUserlist(text)
		if err != nil {
			return
		}
		for name, secret := range users { // what was read can be written and read again
			line := fmt.Sprintf(`"%s" "%s"`, strings.ReplaceAll(name, `"`, `""`), strings.ReplaceAll(secret.Reveal(), `"`, `""`))
			if again, err := parseUserlist(line); err != nil || again[name] != secret {
				t.Fatalf("%q read again: %v, %v", line, again, err)
			}
		}
	})
}

func TestLoad_AddsTheUsersOfTheUsersFile(t *testing.T) {
	list := write(t, "userlist.txt", `"app" "`+verifier+`"`)
	cfg := mustLoad(t, Options{File: write(t, "o.yaml",
		"databases: {shop: {url: \"postgres://app@db\"}}\nauth: {users: {admin: pw}, users_file: "+list+"}")})
	if len(cfg.Auth.Users) != 2 || cfg.Auth.Users["app"] != verifier {
		t.Errorf("got %v", cfg.Auth.Users)
	}
	wantProblems(t, strings.Replace(shop, "users:", "users_file: "+list+", users:", 1), "auth.users_file: app is in auth.users too")
	wantProblems(t, strings.Replace(shop, "users:", "users_file: nowhere, users:", 1), "auth.users_file: cannot be read")
}
