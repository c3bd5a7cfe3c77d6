package pgauth

import (
	"errors"
	"strings"
	"testing"
)

func TestLogin_RefusesWhatTheServerMayNotAsk(t *testing.T) {
	for _, c := range []struct {
		name string
		body []byte
		want error
	}{
		{"too short", []byte{0, 0, 0}, ErrProtocol},
		{"Ok with data", request(authOK, "x"), ErrProtocol},
		{"cleartext with data", request(authCleartext, "x"), ErrProtocol},
		{"md5 with a short salt", request(authMD5, "abc"), ErrProtocol},
		{"continue at once", request(authSASLContinue, rfcServerFirst), ErrProtocol},
		{"final at once", request(authSASLFinal, rfcServerFinal), ErrProtocol},
		{"Kerberos", request(2, ""), ErrUnsupported},
		{"GSSAPI", request(7, ""), ErrUnsupported},
		{"SSPI", request(9, ""), ErrUnsupported},
		{"nonsense", request(1<<31, ""), ErrUnsupported},
		{"other mechanisms only", request(authSASL, "SCRAM-SHA-256-PLUS\x00OAUTHBEARER\x00\x00"), ErrUnsupported},
		{"no mechanism", request(authSASL, "\x00"), ErrProtocol},
		{"unfinished list", request(authSASL, scramName+"\x00"), ErrProtocol},
		{"empty name in the list", request(authSASL, scramName+"\x00\x00x\x00\x00"), ErrProtocol},
	} {
		l := NewCredential("app", mustPlain(t, "secret")).NewLogin(Requirement{}, true)
		if _, err := l.Next(c.body); !errors.Is(err, c.want) || l.Done() {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestLogin_GivesThePasswordToTheSCRAMClientOnceTheServerHasAskedForIt(t *testing.T) {
	for password, prepared := range map[string]string{"secret": "secret", "²½ﬁ": "21\u20442fi", "²👍": "²👍"} {
		l := NewCredential("app", mustPlain(t, password)).NewLogin(Requirement{}, true)
		answer, err := l.Next(request(authSASL, "SCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00"))
		if err != nil || answer.Message != nil || answer.Password != prepared {
			t.Errorf("%q: got %q, %v, want %q", password, answer, err, prepared)
		}
	}
}

func TestLogin_ServerThatCutsSCRAMShortIsNotTrusted(t *testing.T) {
	begin := func() *Login {
		l := NewCredential("app", mustPlain(t, "secret")).NewLogin(Requirement{}, true)
		if _, err := l.Next(request(authSASL, scramName+"\x00\x00")); err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := begin()
	if _, err := l.Next(request(authOK, "")); !errors.Is(err, ErrProtocol) {
		t.Errorf("Ok in place of Continue: got %v, want ErrProtocol", err)
	}
	l = begin()
	if _, err := l.Next(request(authCleartext, "")); !errors.Is(err, ErrProtocol) {
		t.Errorf("cleartext in place of Continue: got %v, want ErrProtocol", err)
	}
	l = begin()
	if _, err := l.Next(request(authSASLFinal, rfcServerFinal)); !errors.Is(err, ErrProtocol) {
		t.Errorf("Final in place of Continue: got %v, want ErrProtocol", err)
	}
	l = begin()
	if _, err := l.Next(request(authSASLContinue, rfcServerFirst)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Next(request(authOK, "")); !errors.Is(err, ErrProtocol) {
		t.Errorf("Ok in place of Final: got %v, want ErrProtocol", err)
	}
}

func TestLogin_RefusesLongSCRAMMessages(t *testing.T) {
	long := strings.Repeat("x", maxSCRAMMessage+1)
	l := NewCredential("app", mustPlain(t, "secret")).NewLogin(Requirement{}, true)
	_, _ = l.Next(request(authSASL, scramName+"\x00\x00"))
	if _, err := l.Next(request(authSASLContinue, long)); !errors.Is(err, ErrProtocol) {
		t.Errorf("server-first-message: got %v, want ErrProtocol", err)
	}
	l = NewCredential("app", mustPlain(t, "secret")).NewLogin(Requirement{}, true)
	_, _ = l.Next(request(authSASL, scramName+"\x00\x00"))
	_, _ = l.Next(request(authSASLContinue, rfcServerFirst))
	if _, err := l.Next(request(authSASLFinal, long)); !errors.Is(err, ErrProtocol) {
		t.Errorf("server-final-message: got %v, want ErrProtocol", err)
	}
}

func TestLogin_SaysWhichSecretCannotAnswer(t *testing.T) {
	md5Salt, sasl := request(authMD5, "salt"), request(authSASL, scramName+"\x00\x00")
	for _, c := range []struct {
		name string
		kind Kind
		ask  []byte
		want error
	}{
		{"hash for md5", KindMD5, md5Salt, nil},
		{"hash for cleartext", KindMD5, request(authCleartext, ""), ErrUnsupported},
		{"hash for SCRAM", KindMD5, sasl, ErrUnsupported},
		{"verifier for md5", KindSCRAM, md5Salt, ErrUnsupported},
		{"verifier for cleartext", KindSCRAM, request(authCleartext, ""), ErrUnsupported},
		{"verifier for SCRAM", KindSCRAM, sasl, ErrUnsupported},
		{"nothing for md5", KindNone, md5Salt, ErrPassword},
		{"nothing for SCRAM", KindNone, sasl, ErrPassword},
		{"nothing for trust", KindNone, request(authOK, ""), nil},
	} {
		l := NewCredential("app", secretOf(t, c.kind, "app", "secret")).NewLogin(Requirement{}, true)
		if _, err := l.Next(c.ask); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}
