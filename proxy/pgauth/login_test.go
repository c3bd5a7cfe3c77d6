package pgauth

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"sync"
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
		l := NewCredential("app", mustPlain(t, "secret")).NewLogin()
		if _, err := l.Next(c.body); !errors.Is(err, c.want) || l.Done() {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestLogin_PicksSCRAMAmongOtherMechanisms(t *testing.T) {
	l := NewCredential("app", mustPlain(t, "secret")).NewLogin()
	reply, err := l.Next(request(authSASL, "SCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00"))
	if err != nil || !strings.HasPrefix(string(reply), "SCRAM-SHA-256\x00") {
		t.Errorf("got %q, %v", reply, err)
	}
}

func TestLogin_ServerThatCutsSCRAMShortIsNotTrusted(t *testing.T) {
	begin := func() *Login {
		l := NewCredential("app", mustPlain(t, "secret")).NewLogin()
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
	if _, err := l.Next(request(authSASLContinue, "r="+l.scram.nonce+"x,s=c2FsdA==,i=1")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Next(request(authOK, "")); !errors.Is(err, ErrProtocol) {
		t.Errorf("Ok in place of Final: got %v, want ErrProtocol", err)
	}
}

func TestLogin_RefusesHostileServerFirstMessages(t *testing.T) {
	for _, c := range []struct {
		name, nonce, rest string
		want              error
	}{
		{"good, for comparison", "x", ",s=c2FsdA==,i=2", nil},
		{"nonce not extended", "", ",s=c2FsdA==,i=2", ErrProtocol},
		{"nonce not printable", "x\x01", ",s=c2FsdA==,i=2", ErrProtocol},
		{"no salt", "x", ",i=2", ErrProtocol},
		{"empty salt", "x", ",s=,i=2", ErrProtocol},
		{"salt with a newline", "x", ",s=c2Fs\ndA==,i=2", ErrProtocol},
		{"salt not base64", "x", ",s=c2Fsd,i=2", ErrProtocol},
		{"salt too long", "x", ",s=" + base64.StdEncoding.EncodeToString(make([]byte, maxSalt+1)) + ",i=2", ErrProtocol},
		{"no rounds", "x", ",s=c2FsdA==", ErrProtocol},
		{"zero rounds", "x", ",s=c2FsdA==,i=0", ErrProtocol},
		{"negative rounds", "x", ",s=c2FsdA==,i=-1", ErrProtocol},
		{"signed rounds", "x", ",s=c2FsdA==,i=+1", ErrProtocol},
		{"absurd rounds", "x", ",s=c2FsdA==,i=" + strconv.Itoa(maxIterations+1), ErrProtocol},
		{"overflowing rounds", "x", ",s=c2FsdA==,i=18446744073709551617", ErrProtocol},
		{"extension", "x", ",s=c2FsdA==,i=2,x=1", ErrProtocol},
		{"too long", strings.Repeat("x", maxSCRAMMessage), ",s=c2FsdA==,i=2", ErrProtocol},
	} {
		l := NewCredential("app", mustPlain(t, "secret")).NewLogin()
		if _, err := l.Next(request(authSASL, scramName+"\x00\x00")); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Next(request(authSASLContinue, "r="+l.scram.nonce+c.nonce+c.rest)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	l := NewCredential("app", mustPlain(t, "secret")).NewLogin()
	_, _ = l.Next(request(authSASL, scramName+"\x00\x00"))
	if _, err := l.Next(request(authSASLContinue, rfcServerFirst)); !errors.Is(err, ErrProtocol) {
		t.Errorf("somebody else's nonce: got %v, want ErrProtocol", err)
	}
}

func TestLogin_RefusesAServerThatDoesNotKnowThePassword(t *testing.T) {
	for _, c := range []struct {
		name, final string
		want        error
	}{
		{"wrong signature", "v=" + base64.StdEncoding.EncodeToString(make([]byte, keyLen)), ErrPassword},
		{"error", "e=invalid-proof", ErrPassword},
		{"short signature", "v=AAAA", ErrProtocol},
		{"no signature", "", ErrProtocol},
		{"several parts", "v=,x=", ErrProtocol},
	} {
		l := NewCredential("app", mustPlain(t, "secret")).NewLogin()
		_, _ = l.Next(request(authSASL, scramName+"\x00\x00"))
		_, err := l.Next(request(authSASLContinue, "r="+l.scram.nonce+"x,s=c2FsdA==,i=1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Next(request(authSASLFinal, c.final)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
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
		l := NewCredential("app", secretOf(t, c.kind, "app", "secret")).NewLogin()
		if _, err := l.Next(c.ask); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestCredential_DerivesAKeyOncePerSaltHoweverManyAskAtOnce(t *testing.T) {
	c := NewCredential("app", mustPlain(t, "secret"))
	const askers = 8
	got := make([]*keys, askers)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i] = c.keysFor([]byte("salt"), 4096) })
	}
	wg.Wait()
	for _, k := range got {
		if k == nil || k != got[0] {
			t.Fatalf("got different keys: %p and %p", k, got[0])
		}
	}
	if other := c.keysFor([]byte("salt"), 4097); *other == *got[0] {
		t.Error("another iteration count: got the same keys")
	}
}

func TestCredential_KeepsABoundedNumberOfKeys(t *testing.T) {
	c := NewCredential("app", mustPlain(t, "secret"))
	for i := range 3 * maxCachedKeys {
		c.keysFor([]byte{byte(i)}, 1)
	}
	if got := len(c.mu.keys); got != maxCachedKeys {
		t.Errorf("got %d cached keys, want %d", got, maxCachedKeys)
	}
	newest := c.keysFor([]byte{3*maxCachedKeys - 1}, 1)
	if newest != c.mu.keys[maxCachedKeys-1].keys {
		t.Error("the newest key is not in the cache")
	}
}

func BenchmarkLogin_SCRAM(b *testing.B) {
	a := NewAuthenticator(Options{})
	plain := mustPlain(b, "secret")
	a.Prepare("app", plain)
	cached := NewCredential("app", plain)
	for name, cred := range map[string]func() *Credential{
		"first": func() *Credential { return NewCredential("app", plain) },
		"again": func() *Credential { return cached },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e := a.NewExchange(MethodSCRAM, "app", plain)
				if _, _, _ = dialogue(e, cred().NewLogin(), nil); !e.Done() {
					b.Fatal("not let in")
				}
			}
		})
	}
}
