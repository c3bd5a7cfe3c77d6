package pgauth

import (
	"errors"
	"testing"
)

func TestRequirement_AllowsWhatItNames(t *testing.T) {
	scram := request(authSASL, scramName+"\x00\x00")
	asks := map[LoginMethod][]byte{
		LoginNone: request(authOK, ""), LoginPassword: request(authCleartext, ""),
		LoginMD5: request(authMD5, "salt"), LoginSCRAM: scram,
	}
	const all = LoginNone | LoginPassword | LoginMD5 | LoginSCRAM
	for _, c := range []struct {
		text            string
		private, public LoginMethod // what is allowed
	}{
		{"", all, all &^ LoginPassword},
		{"scram-sha-256", LoginSCRAM, LoginSCRAM},
		{"none", LoginNone, LoginNone},
		{"password", LoginPassword, LoginPassword},
		{"md5,scram-sha-256", LoginMD5 | LoginSCRAM, LoginMD5 | LoginSCRAM},
		{"scram-sha-256, none", LoginSCRAM | LoginNone, LoginSCRAM | LoginNone},
		{"gss,md5", LoginMD5, LoginMD5},
		{"!md5", all &^ LoginMD5, LoginNone | LoginSCRAM},
		{"!none,!md5", LoginPassword | LoginSCRAM, LoginSCRAM},
		{"!password", all &^ LoginPassword, all &^ LoginPassword},
		{"!gss", all, all &^ LoginPassword},
	} {
		require, err := ParseRequirement(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		for private, allowed := range map[bool]LoginMethod{true: c.private, false: c.public} {
			for method, ask := range asks {
				l := NewCredential("app", mustPlain(t, "secret")).NewLogin(require, private)
				answer, err := l.Next(ask)
				if want := allowed&method != 0; (err == nil) != want || !want && (!errors.Is(err, ErrMethod) || answer.Message != nil || answer.Password != "") {
					t.Errorf("require_auth %q, private %v, server asks for %v: got %q, %v, want it allowed: %v",
						c.text, private, method, answer, err, want)
				}
			}
		}
	}
}

func TestRequirement_WithBindingAllowsSCRAMAlone(t *testing.T) {
	for what, ask := range map[string][]byte{
		"no proof": request(authOK, ""), "the password in clear": request(authCleartext, ""), "md5": request(authMD5, "salt"),
	} {
		l := NewCredential("app", mustPlain(t, "secret")).NewLogin(Requirement{}.WithBinding(), true)
		if answer, err := l.Next(ask); !errors.Is(err, ErrMethod) || answer.Message != nil {
			t.Errorf("server asks for %s: got %q, %v, want %v", what, answer, err, ErrMethod)
		}
	}
	l := NewCredential("app", mustPlain(t, "secret")).NewLogin(Requirement{}.WithBinding(), true)
	if _, err := l.Next(request(authSASL, "SCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00")); err != nil {
		t.Error(err)
	}
}

// A server that lets us in before it has proved that it knows the password is no server, whatever was required.
func TestRequirement_OfSCRAMWantsAllOfIt(t *testing.T) {
	require, err := ParseRequirement("scram-sha-256")
	if err != nil {
		t.Fatal(err)
	}
	l := NewCredential("app", mustPlain(t, "secret")).NewLogin(require, false)
	if _, err := l.Next(request(authSASL, scramName+"\x00\x00")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Next(request(authOK, "")); err == nil || l.Done() {
		t.Errorf("in after half an exchange: got %v", err)
	}
}

func TestParseRequirement_RefusesWhatMakesNoSense(t *testing.T) {
	for _, text := range []string{
		"scram", "SCRAM-SHA-256", "md5,!none", "!none,md5", "md5,md5", "!md5,!md5", ",", "md5,", "!", "gss", "gss,sspi",
		"!none,!password,!md5,!scram-sha-256",
	} {
		if _, err := ParseRequirement(text); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
}
