package pgauth

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
)

// The example of RFC 7677, section 3.
const (
	rfcClientNonce = "rOprNGfwEbeRWgbNEkqO"
	rfcServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	rfcBare        = "n=user,r=" + rfcClientNonce
	rfcServerFirst = "r=" + rfcClientNonce + rfcServerNonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	rfcClientFinal = "c=biws,r=" + rfcClientNonce + rfcServerNonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

func initialBody(mechanism, msg string) []byte {
	b := append([]byte(mechanism), 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(msg)))
	return append(b, msg...)
}

func TestSCRAM_ClientOfTheseTestsGivesTheAnswersOfRFC7677(t *testing.T) {
	l := newClient("user", "pencil")
	if _, err := l.Next(request(authSASL, scramName+"\x00\x00")); err != nil {
		t.Fatal(err)
	}
	l.scram.nonce, l.scram.firstBare = rfcClientNonce, rfcBare
	final, err := l.Next(request(authSASLContinue, rfcServerFirst))
	if got, want := string(final), rfcClientFinal; got != want || err != nil {
		t.Fatalf("client-final-message: got %q, %v, want %q", got, err, want)
	}
	if _, err := l.Next(request(authSASLFinal, rfcServerFinal)); err != nil {
		t.Fatalf("server-final-message: %v", err)
	}
	if _, err := l.Next(request(authOK, "")); err != nil || !l.in {
		t.Fatalf("AuthenticationOk: %v", err)
	}
}

func TestSCRAM_ServerGivesTheAnswersOfRFC7677(t *testing.T) {
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	e := NewAuthenticator(Options{}).NewExchange(MethodSCRAM, "user", mustParse(t, verifierText("pencil", string(salt), 4096)))
	e.Start()
	if _, err := e.Next(initialBody(scramName, "n,,"+rfcBare)); err != nil {
		t.Fatal(err)
	}
	e.scram.nonce, e.scram.serverFirst = rfcClientNonce+rfcServerNonce, rfcServerFirst
	got, err := e.Next([]byte(rfcClientFinal))
	if want := request(authSASLFinal, rfcServerFinal); !bytes.Equal(got, want) || err != nil {
		t.Fatalf("server-final-message: got %q, %v, want %q", got, err, want)
	}
	clientKey, ok := e.ClientKey()
	if want := deriveKeys("pencil", salt, 4096).client; !bytes.Equal(clientKey, want[:]) || !ok {
		t.Errorf("ClientKey: got %x, %v, want %x", clientKey, ok, want)
	}
}

func TestExchange_ClientKeyIsKnownOnlyAfterSCRAMSucceeded(t *testing.T) {
	a := NewAuthenticator(Options{})
	e := a.NewExchange(MethodSCRAM, "app", mustPlain(t, "secret"))
	_, _, _ = dialogue(e, newClient("app", "wrong"), nil)
	if k, ok := e.ClientKey(); ok || k != nil {
		t.Errorf("after a wrong proof: got %x, %v", k, ok)
	}
	e = a.NewExchange(MethodPassword, "app", mustPlain(t, "secret"))
	_, _, _ = dialogue(e, newClient("app", "secret"), nil)
	if k, ok := e.ClientKey(); ok || k != nil {
		t.Errorf("after a clear-text password: got %x, %v", k, ok)
	}
}

func TestExchange_RefusesMalformedClientFirstMessages(t *testing.T) {
	a := NewAuthenticator(Options{})
	for _, c := range []struct {
		name string
		body []byte
		want error
	}{
		{"good, for comparison", initialBody(scramName, "n,,n=,r=abc"), nil},
		{"client could bind channels", initialBody(scramName, "y,,n=,r=abc"), nil},
		{"extension", initialBody(scramName, "n,,n=,r=abc,x=1"), nil},
		{"channel binding", initialBody(scramName, "p=tls-server-end-point,,n=,r=abc"), ErrProtocol},
		{"mechanism PLUS", initialBody(scramName+"-PLUS", "p=tls-server-end-point,,n=,r=abc"), ErrProtocol},
		{"no mechanism", []byte("SCRAM-SHA-256"), ErrProtocol},
		{"no length", []byte("SCRAM-SHA-256\x00\x00\x00"), ErrProtocol},
		{"length -1", []byte("SCRAM-SHA-256\x00\xff\xff\xff\xff"), ErrProtocol},
		{"length too large", []byte("SCRAM-SHA-256\x00\x00\x00\x00\x0cn,,n=,r=abc"), ErrProtocol},
		{"length too small", []byte("SCRAM-SHA-256\x00\x00\x00\x00\x0an,,n=,r=abc"), ErrProtocol},
		{"empty", initialBody(scramName, ""), ErrProtocol},
		{"flag", initialBody(scramName, "z,,n=,r=abc"), ErrProtocol},
		{"authorization identity", initialBody(scramName, "n,a=root,n=,r=abc"), ErrUnsupported},
		{"bad authorization identity", initialBody(scramName, "n,root,n=,r=abc"), ErrProtocol},
		{"mandatory extension", initialBody(scramName, "n,,m=1,n=,r=abc"), ErrUnsupported},
		{"no name", initialBody(scramName, "n,,r=abc,x=1"), ErrProtocol},
		{"no nonce", initialBody(scramName, "n,,n="), ErrProtocol},
		{"empty nonce", initialBody(scramName, "n,,n=,r="), ErrProtocol},
		{"nonce with a space", initialBody(scramName, "n,,n=,r=a b"), ErrProtocol},
		{"nonce with a control byte", initialBody(scramName, "n,,n=,r=a\x7f"), ErrProtocol},
		{"zero byte in the name", initialBody(scramName, "n,,n=a\x00,r=abc"), ErrProtocol},
		{"bad extension", initialBody(scramName, "n,,n=,r=abc,1=x"), ErrProtocol},
		{"trailing comma", initialBody(scramName, "n,,n=,r=abc,"), ErrProtocol},
		{"too long", initialBody(scramName, "n,,n=,r="+strings.Repeat("a", maxSCRAMMessage)), ErrProtocol},
	} {
		e := a.NewExchange(MethodSCRAM, "app", Secret{})
		e.Start()
		if _, err := e.Next(c.body); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestExchange_RefusesMalformedClientFinalMessages(t *testing.T) {
	a := NewAuthenticator(Options{})
	proof := base64.StdEncoding.EncodeToString(make([]byte, keyLen))
	for _, c := range []struct {
		name, first, binding, nonce, rest string
		want                              error
	}{
		{"well formed, for comparison", "n", "biws", "", ",p=" + proof, ErrPassword},
		{"well formed, flag y", "y", "eSws", "", ",p=" + proof, ErrPassword},
		{"extension", "n", "biws", "", ",x=1,p=" + proof, ErrPassword},
		{"flag y then echo of n", "y", "biws", "", ",p=" + proof, ErrProtocol},
		{"flag n then echo of y", "n", "eSws", "", ",p=" + proof, ErrProtocol},
		{"nonce longer", "n", "biws", "x", ",p=" + proof, ErrProtocol},
		{"no proof", "n", "biws", "", "", ErrProtocol},
		{"no proof, extension", "n", "biws", "", ",x=1", ErrProtocol},
		{"something after the proof", "n", "biws", "", ",p=" + proof + ",x=1", ErrProtocol},
		{"bad extension", "n", "biws", "", ",x,p=" + proof, ErrProtocol},
		{"short proof", "n", "biws", "", ",p=AAAA", ErrProtocol},
		{"proof without padding", "n", "biws", "", ",p=" + strings.TrimRight(proof, "="), ErrProtocol},
		{"proof with stray bits", "n", "biws", "", ",p=" + proof[:len(proof)-2] + "B=", ErrProtocol},
		{"proof with a newline", "n", "biws", "", ",p=" + proof + "\n", ErrProtocol},
	} {
		e := a.NewExchange(MethodSCRAM, "app", mustPlain(t, "secret"))
		e.Start()
		if _, err := e.Next(initialBody(scramName, c.first+",,n=,r=abc")); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Next([]byte("c=" + c.binding + ",r=" + e.scram.nonce + c.nonce + c.rest)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestSecret_PlainPasswordIsDerivedOnceForAllCopies(t *testing.T) {
	a := NewAuthenticator(Options{})
	s := mustPlain(t, "secret")
	a.Prepare("app", s)
	first := s.verifierWith(a.salt("app"))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			other := s
			if got := other.verifierWith(a.salt("app")); got != first {
				t.Error("a copy derived its own verifier")
			}
		})
	}
	wg.Wait()
	if got := s.verifierWith(a.salt("another")); got == first {
		t.Error("another salt gave the same verifier")
	}
}

func TestSASLprep_FollowsRFC4013(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"soft hyphen goes", "I\u00adX", "IX"}, // the examples of RFC 4013, section 3
		{"no transformation", "user", "user"},
		{"case stays", "USER", "USER"},
		{"compatibility letter", "\u00aa", "a"},
		{"roman numeral", "\u2168", "IX"},
		{"bidirectional check fails", "\u06271", "\u06271"},
		{"other space", "a\u00a0b\u3000c", "a b c"},
		{"zero width space is a space", "a\u200bb", "a b"},
		{"composition", "e\u0301", "é"},
		{"control character outside ASCII keeps all raw", "\u00aa\u0085", "\u00aa\u0085"},
		{"control character among others keeps all raw", "\u00aa\x07", "\u00aa\x07"},
		{"unassigned in Unicode 3.2 keeps all raw", "\u00aa👍", "\u00aa👍"},
		{"private use keeps all raw", "\u00aa\ue000", "\u00aa\ue000"},
		{"nothing left keeps all raw", "\u00ad", "\u00ad"},
		{"not UTF-8", "\u00aa\xff", "\u00aa\xff"},
		{"right to left", "\u0627\u00ad\u0628", "\u0627\u0628"},
		{"right to left and a letter", "\u0627\u00ada\u0628", "\u0627\u00ada\u0628"},
	} {
		if got := saslprep(c.in); got != c.want {
			t.Errorf("%s: saslprep(%+q): got %+q, want %+q", c.name, c.in, got, c.want)
		}
	}
}
