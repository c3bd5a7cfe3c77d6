package pgauth

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzExchange(f *testing.F) {
	f.Add(uint8(0), uint8(1), initialBody(scramName, "n,,"+rfcBare), []byte(rfcClientFinal))
	f.Add(uint8(0), uint8(3), initialBody(scramName, "y,,n=,r=x"), []byte("c=eSws,r=x,p="))
	f.Add(uint8(1), uint8(2), []byte("md5"+md5Hex("x")+"\x00"), []byte{})
	f.Add(uint8(2), uint8(0), []byte("wrong\x00"), []byte{})
	a := NewAuthenticator(Options{ServerSecret: []byte("k")})
	secrets := []Secret{{}, mustPlain(f, "secret"), secretOf(f, KindMD5, "app", "secret"), secretOf(f, KindSCRAM, "app", "secret")}
	f.Fuzz(func(t *testing.T, method, kind uint8, first, second []byte) {
		if method%3 == uint8(MethodPassword) && string(first) == "secret\x00" {
			return
		}
		e := a.NewExchange(Method(method%3), "app", secrets[kind%4])
		e.Start()
		for _, body := range [][]byte{first, second, first} {
			reply, err := e.Next(body)
			if e.Done() || err != nil && reply != nil {
				t.Fatalf("done %v, reply %q, error %v", e.Done(), reply, err)
			}
		}
	})
}

func FuzzLogin(f *testing.F) {
	f.Add(request(authSASL, scramName+"\x00\x00"), []byte(rfcServerFirst), request(authSASLFinal, rfcServerFinal))
	f.Add(request(authMD5, "salt"), request(authOK, ""), []byte{})
	f.Add(request(authCleartext, ""), request(authOK, ""), []byte{})
	cred := NewCredential("app", mustPlain(f, "secret"))
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		l := cred.NewLogin(Requirement{}, true)
		for _, body := range [][]byte{first, second, third} {
			scram := l.state == loginProving || l.state == loginVerifying
			if _, err := l.Next(body); err == nil && scram && l.Done() {
				t.Fatal("let in half-way through SCRAM")
			}
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	f.Add(verifierText("x", "salt", 1))
	f.Add("md5" + md5Hex("x"))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSecret(text)
		if err == nil && strings.HasPrefix(text, scramName+"$") && s.Kind() != KindSCRAM {
			t.Fatalf("%q became a secret of kind %v", text, s.Kind())
		}
		if err != nil && s.Kind() != KindNone {
			t.Fatalf("%q gave a secret and an error", text)
		}
	})
}

func FuzzSASLprep(f *testing.F) {
	for _, p := range passwords {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, password string) {
		got := saslprep(password)
		if isASCII(password) && got != password || utf8.ValidString(got) != utf8.ValidString(password) {
			t.Fatalf("saslprep(%+q) = %+q", password, got)
		}
	})
}
