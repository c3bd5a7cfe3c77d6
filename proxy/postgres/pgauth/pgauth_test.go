package pgauth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// passwords are right in every method.
var passwords = []string{
	"secret", "x", " leading and trailing ", "comma,equals=quote'\"\\", strings.Repeat("long", 500), "пароль", "密码",
	"p\u00adss", "Ⅸ", "a\u00a0b", "e\u0301", "é", "שלום", "\u06271", "👍", "\xff\xfe not UTF-8", "\u200b",
}

func mustPlain(t testing.TB, password string) Secret {
	t.Helper()
	s, err := PlainSecret(password)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustParse(t testing.TB, text string) Secret {
	t.Helper()
	s, err := ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verifierText is how PostgreSQL writes a verifier.
func verifierText(password, salt string, iterations int) string {
	k := deriveKeys(password, []byte(salt), iterations)
	return fmt.Sprintf("%s$%d:%s$%s:%s", scramName, iterations, base64.StdEncoding.EncodeToString([]byte(salt)),
		k.stored.base64(), k.server.base64())
}

// secretOf returns the same password in another form.
func secretOf(t testing.TB, kind Kind, user, password string) Secret {
	switch kind {
	case KindNone:
		return Secret{}
	case KindMD5:
		return mustParse(t, "md5"+md5Hex(password+user))
	case KindSCRAM:
		return mustParse(t, verifierText(password, "0123456789abcdef", 64))
	default:
		return mustPlain(t, password)
	}
}

// dialogue lets a client and an exchange talk and returns every message, the server's with "R " before it. edit may change
// messages on their way.
func dialogue(e *Exchange, l *client, edit func(index int, msg []byte) []byte) (trace []string, clientErr, serverErr error) {
	send := func(who string, msg []byte) []byte {
		if edit != nil {
			msg = edit(len(trace), msg)
		}
		trace = append(trace, who+string(msg))
		return msg
	}
	toClient := e.Start()
	for {
		if toClient != nil {
			reply, err := l.Next(send("R ", toClient))
			if err != nil {
				return trace, err, nil
			}
			toClient = nil
			if reply != nil {
				if toClient, err = e.Next(send("p ", reply)); err != nil {
					return trace, nil, err
				}
			}
			continue
		}
		if e.Done() {
			_, err := l.Next(request(authOK, ""))
			return trace, err, nil
		}
		return trace, nil, errors.New("both sides wait")
	}
}

func TestExchange_LetsRightPasswordInWhateverTheMethodAndTheSecret(t *testing.T) {
	for _, password := range passwords {
		for _, method := range []Method{MethodTrust, MethodPassword, MethodMD5, MethodSCRAM} {
			for _, kind := range []Kind{KindPlain, KindMD5, KindSCRAM} {
				a := NewAuthenticator(Options{})
				e := a.NewExchange(method, "app", secretOf(t, kind, "app", password))
				l := newClient("app", password)
				_, clientErr, serverErr := dialogue(e, l, nil)
				want := method != MethodSCRAM || kind != KindMD5
				if got := e.Done() && l.in; got != want {
					t.Errorf("%v with %v secret, password %q: got %v (client %v, server %v), want %v",
						method, kind, password, got, clientErr, serverErr, want)
				}
			}
		}
	}
}

func TestExchange_RefusesWrongPasswordAsItRefusesAnUnknownUser(t *testing.T) {
	for _, method := range []Method{MethodPassword, MethodMD5, MethodSCRAM} {
		for _, kind := range []Kind{KindNone, KindPlain, KindMD5, KindSCRAM} {
			a := NewAuthenticator(Options{})
			e := a.NewExchange(method, "app", secretOf(t, kind, "app", "secret"))
			l := newClient("app", "Secret")
			_, clientErr, serverErr := dialogue(e, l, nil)
			if e.Done() || clientErr != nil || serverErr != ErrPassword { //nolint:errorlint // bare, so that the text is the same
				t.Errorf("%v with %v secret: got done %v, client %v, server %v, want exactly ErrPassword",
					method, kind, e.Done(), clientErr, serverErr)
			}
		}
	}
}

func TestExchange_UnknownUserSeesMessagesOfTheSameShape(t *testing.T) {
	a := NewAuthenticator(Options{ServerSecret: []byte("k")})
	shape := func(method Method, user string, s Secret) string {
		trace, _, _ := dialogue(a.NewExchange(method, user, s), newClient(user, "guess"), nil)
		var b strings.Builder
		for _, m := range trace {
			fmt.Fprintf(&b, "%s%d ", m[:2], len(m))
		}
		return b.String()
	}
	for _, method := range []Method{MethodPassword, MethodMD5, MethodSCRAM} {
		got, want := shape(method, "nobody", Secret{}), shape(method, "app", mustPlain(t, "secret"))
		if got != want {
			t.Errorf("%v: unknown user got messages %q, known user %q", method, got, want)
		}
	}
}

func TestExchange_UnknownUserMayBeTakenToHaveAVerifier(t *testing.T) {
	a := NewAuthenticator(Options{UnknownKind: KindSCRAM})
	got := string(a.NewExchange(MethodMD5, "nobody", Secret{}).Start())
	want := string(a.NewExchange(MethodMD5, "app", secretOf(t, KindSCRAM, "app", "x")).Start())
	if got != want {
		t.Errorf("first request: got %q for an unknown user, %q for one with a verifier", got, want)
	}
}

// saltShown returns "s=…,i=…" of server-first-message.
func saltShown(t *testing.T, a *Authenticator, user string, s Secret) string {
	t.Helper()
	trace, _, _ := dialogue(a.NewExchange(MethodSCRAM, user, s), newClient(user, "guess"), nil)
	_, rest, ok := strings.Cut(trace[2], ",")
	if !ok {
		t.Fatalf("no server-first-message in %q", trace)
	}
	return rest
}

func TestExchange_SaltDependsOnTheNameAloneUnlessAVerifierIsStored(t *testing.T) {
	a, again := NewAuthenticator(Options{ServerSecret: []byte("k")}), NewAuthenticator(Options{ServerSecret: []byte("k")})
	first := saltShown(t, a, "app", Secret{})
	for what, got := range map[string]string{
		"second time":               saltShown(t, a, "app", Secret{}),
		"after a restart":           saltShown(t, again, "app", Secret{}),
		"with a plain secret":       saltShown(t, a, "app", mustPlain(t, "secret")),
		"with an md5 secret":        saltShown(t, a, "app", secretOf(t, KindMD5, "app", "secret")),
		"with another plain secret": saltShown(t, a, "app", mustPlain(t, "other")),
	} {
		if got != first {
			t.Errorf("%s: got %q, want %q", what, got, first)
		}
	}
	if other := saltShown(t, a, "other", Secret{}); other == first {
		t.Errorf("another name: got the same salt %q", other)
	}
	if other := saltShown(t, NewAuthenticator(Options{}), "app", Secret{}); other == first {
		t.Errorf("another server secret: got the same salt %q", other)
	}
}

// Every bit of every message counts: whichever is changed on its way, in either direction, nobody gets in.
func TestDialogue_OneChangedBitAnywhereEndsIt(t *testing.T) {
	a := NewAuthenticator(Options{})
	for _, method := range []Method{MethodPassword, MethodMD5, MethodSCRAM} {
		secret := secretOf(t, KindPlain, "app", "secret")
		if method == MethodSCRAM {
			secret = secretOf(t, KindSCRAM, "app", "secret") // few iterations
		}
		trace, _, _ := dialogue(a.NewExchange(method, "app", secret), newClient("app", "secret"), nil)
		for index := range trace {
			for at := 0; at < len(trace[index])-2; at++ {
				if method == MethodSCRAM && index == 2 && at >= 4 && isIterations(trace[index][2:], at) {
					continue // changes the count of rounds to something dear; the hostile server's test has them
				}
				flip := func(i int, msg []byte) []byte {
					if i == index && at < len(msg) {
						msg[at] ^= 1
					}
					return msg
				}
				cut := func(i int, msg []byte) []byte {
					if i == index {
						msg = msg[:min(at, len(msg))]
					}
					return msg
				}
				for what, edit := range map[string]func(int, []byte) []byte{"flipped": flip, "cut": cut} {
					e, l := a.NewExchange(method, "app", secret), newClient("app", "secret")
					_, clientErr, serverErr := dialogue(e, l, edit)
					if e.Done() && l.in || clientErr == nil && serverErr == nil {
						t.Errorf("%v: message %d %s at %d: got in", method, index, what, at)
					}
				}
			}
		}
	}
}

func isIterations(msg string, at int) bool {
	return at > strings.LastIndex(msg, ",i=")
}

func TestExchange_RefusesTheEmptyPassword(t *testing.T) {
	a := NewAuthenticator(Options{})
	empty := mustParse(t, "md5"+md5Hex("app")) // what an empty password hashes to
	verifier := mustParse(t, verifierText("", "salt", 1))
	for _, s := range []Secret{{}, mustPlain(t, ""), empty, verifier, mustPlain(t, "secret")} {
		e := a.NewExchange(MethodPassword, "app", s)
		e.Start()
		if _, err := e.Next([]byte{0}); !errors.Is(err, ErrPassword) || e.Done() {
			t.Errorf("password, %v secret: got %v, want ErrPassword", s, err)
		}
		if s.Kind() == KindSCRAM {
			continue // md5 would become SCRAM
		}
		e = a.NewExchange(MethodMD5, "app", s)
		e.Start()
		if _, err := e.Next([]byte(md5Response(md5Hex("app"), e.md5Salt[:]) + "\x00")); !errors.Is(err, ErrPassword) {
			t.Errorf("md5, %v secret: got %v, want ErrPassword", s, err)
		}
	}
}

// Whoever has seen the salt of a stranger in a SCRAM exchange must not be able to answer an md5 request with it.
func TestExchange_UnknownUserHasNoRightMD5Response(t *testing.T) {
	a := NewAuthenticator(Options{})
	e := a.NewExchange(MethodMD5, "nobody", Secret{})
	e.Start()
	response := md5Response(md5Hex(string(a.salt("nobody"))), e.md5Salt[:])
	if _, err := e.Next([]byte(response + "\x00")); !errors.Is(err, ErrPassword) || e.Done() {
		t.Errorf("got %v, want ErrPassword", err)
	}
}

func TestExchange_IsOverAfterAnErrorAndAfterSuccess(t *testing.T) {
	a := NewAuthenticator(Options{})
	e := a.NewExchange(MethodPassword, "app", mustPlain(t, "secret"))
	if _, err := e.Next([]byte("secret\x00")); !errors.Is(err, ErrProtocol) {
		t.Errorf("before Start: got %v, want ErrProtocol", err)
	}
	for _, first := range []string{"wrong\x00", "secret\x00"} {
		e := a.NewExchange(MethodPassword, "app", mustPlain(t, "secret"))
		e.Start()
		_, _ = e.Next([]byte(first))
		if _, err := e.Next([]byte("secret\x00")); !errors.Is(err, ErrProtocol) || e.Done() {
			t.Errorf("second answer after %q: got %v, done %v, want ErrProtocol", first, err, e.Done())
		}
	}
}

func TestExchange_RefusesMalformedPasswordMessages(t *testing.T) {
	a := NewAuthenticator(Options{})
	for _, body := range []string{"", "secret", "secret\x00\x00", "sec\x00ret\x00", strings.Repeat("x", MaxResponseBytes) + "\x00"} {
		e := a.NewExchange(MethodPassword, "app", mustPlain(t, "secret"))
		e.Start()
		if _, err := e.Next([]byte(body)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%.20q: got %v, want ErrProtocol", body, err)
		}
	}
}

func TestMethod_ZeroValueIsTheStrictest(t *testing.T) {
	var m Method
	if got, want := m.String(), "scram-sha-256"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, m := range []Method{MethodSCRAM, MethodMD5, MethodPassword, MethodTrust} {
		if got, err := ParseMethod(m.String()); got != m || err != nil {
			t.Errorf("ParseMethod(%q): got %v, %v", m, got, err)
		}
	}
	if _, err := ParseMethod("peer"); !errors.Is(err, ErrUnsupported) {
		t.Errorf("ParseMethod(peer): got %v, want ErrUnsupported", err)
	}
}
