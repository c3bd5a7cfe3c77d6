package pgauth

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
)

// maxCachedKeys bounds the derived keys one Credential keeps. A server shows one salt for a user as long as the password
// stays; more come only from several servers, or from one that has no verifier for the user.
const maxCachedKeys = 8

// Credential is what we log in to servers with. It keeps the keys that SCRAM derives from the password, so that only the
// first login with the same salt is costly. It is safe for concurrent use.
type Credential struct {
	user   string
	secret Secret

	mu struct {
		sync.Mutex
		keys []*cachedKeys // oldest first; len ≤ maxCachedKeys
	} // guards the field inside
}

// cachedKeys is derived once, by whoever comes first; the others wait for it and not for each other's salts.
type cachedKeys struct {
	salt       string
	iterations int
	derive     sync.Once
	keys       *keys
}

// NewCredential returns the credential of user. A plain secret answers every method, an md5 hash only md5, a SCRAM verifier
// and no secret at all only servers that ask for nothing.
func NewCredential(user string, secret Secret) *Credential {
	return &Credential{user: user, secret: secret}
}

// User is the name to log in with.
func (c *Credential) User() string { return c.user }

// keysFor returns the keys of the plain secret under salt, from the cache if they are there.
func (c *Credential) keysFor(salt []byte, iterations int) *keys {
	entry := c.entry(string(salt), iterations)
	entry.derive.Do(func() { entry.keys = deriveKeys(c.secret.text, salt, iterations) })
	return entry.keys
}

func (c *Credential) entry(salt string, iterations int) *cachedKeys {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.mu.keys {
		if k.salt == salt && k.iterations == iterations {
			return k
		}
	}
	if len(c.mu.keys) == maxCachedKeys {
		c.mu.keys = append(c.mu.keys[:0], c.mu.keys[1:]...)
	}
	k := &cachedKeys{salt: salt, iterations: iterations}
	c.mu.keys = append(c.mu.keys, k)
	return k
}

// loginState is where a login stands; doc.go has the picture.
type loginState uint8

const (
	loginFresh     loginState = iota // nothing asked yet; then answered, proving or done
	loginAnswered                    // a password is on its way; then done
	loginProving                     // client-first-message is on its way; then verifying
	loginVerifying                   // client-final-message is on its way; then trusted
	loginTrusted                     // the server has proved itself too; then done
	loginDone                        // terminal
	loginFailed                      // terminal
)

// Login is our authentication at one server. It belongs to one goroutine.
type Login struct {
	cred  *Credential
	state loginState
	scram scramClient
}

// NewLogin begins a login.
func (c *Credential) NewLogin() *Login {
	return &Login{cred: c}
}

// Next takes the body of an Authentication message ('R') and returns the body of the 'p' message to answer with, nil if
// none is due. It keeps no reference to body. After AuthenticationOk Done reports true. An error is final and wraps
// ErrPassword, ErrProtocol or ErrUnsupported.
func (l *Login) Next(body []byte) ([]byte, error) {
	reply, next, err := l.step(body)
	if err != nil {
		l.state = loginFailed
		return nil, err
	}
	l.state = next
	return reply, nil
}

// Done reports whether the server has let us in.
func (l *Login) Done() bool { return l.state == loginDone }

func (l *Login) step(body []byte) (reply []byte, next loginState, err error) {
	if len(body) < 4 || len(body) > MaxResponseBytes {
		return nil, loginFailed, violation("malformed authentication request")
	}
	code, data := binary.BigEndian.Uint32(body), body[4:]
	switch {
	case code == authOK && (l.state == loginFresh || l.state == loginAnswered || l.state == loginTrusted):
		// Not while proving or verifying: a server that cuts SCRAM short has not shown that it knows the password.
		if len(data) != 0 {
			return nil, loginFailed, violation("malformed AuthenticationOk")
		}
		return nil, loginDone, nil
	case code == authCleartext && l.state == loginFresh:
		reply, err = l.cleartext(data)
		return reply, loginAnswered, err
	case code == authMD5 && l.state == loginFresh:
		reply, err = l.md5(data)
		return reply, loginAnswered, err
	case code == authSASL && l.state == loginFresh:
		reply, err = l.begin(data)
		return reply, loginProving, err
	case code == authSASLContinue && l.state == loginProving:
		reply, err = l.scram.final(data, l.cred)
		return reply, loginVerifying, err
	case code == authSASLFinal && l.state == loginVerifying:
		return nil, loginTrusted, l.scram.verify(data)
	case isKnownCode(code):
		return nil, loginFailed, violation("authentication request out of turn")
	default:
		return nil, loginFailed, fmt.Errorf("%w: server asks for authentication type %d", ErrUnsupported, code)
	}
}

func isKnownCode(code uint32) bool {
	switch code {
	case authOK, authCleartext, authMD5, authSASL, authSASLContinue, authSASLFinal:
		return true
	default:
		return false
	}
}

func (l *Login) cleartext(data []byte) ([]byte, error) {
	if len(data) != 0 {
		return nil, violation("malformed AuthenticationCleartextPassword")
	}
	if err := l.needPlain("a clear-text password"); err != nil {
		return nil, err
	}
	return append([]byte(l.cred.secret.text), 0), nil
}

func (l *Login) md5(salt []byte) ([]byte, error) {
	if len(salt) != 4 {
		return nil, violation("malformed AuthenticationMD5Password")
	}
	digits := l.cred.secret.md5With(l.cred.user)
	if digits == "" {
		if err := l.needPlain("an md5 response"); err != nil {
			return nil, err
		}
		return nil, ErrPassword
	}
	return append([]byte(md5Response(digits, salt)), 0), nil
}

// begin picks SCRAM-SHA-256 from the server's list of mechanisms: strings that end in a zero byte, then one more.
func (l *Login) begin(list []byte) ([]byte, error) {
	names, ok := bytes.CutSuffix(list, []byte{0, 0})
	if !ok {
		return nil, violation("malformed list of SASL mechanisms")
	}
	offered := false
	for name := range bytes.SplitSeq(names, []byte{0}) {
		if len(name) == 0 {
			return nil, violation("malformed list of SASL mechanisms")
		}
		offered = offered || string(name) == scramName
	}
	if !offered {
		return nil, fmt.Errorf("%w: server does not offer %s", ErrUnsupported, scramName)
	}
	if err := l.needPlain(scramName); err != nil {
		return nil, err
	}
	msg := l.scram.first()
	reply := append([]byte(scramName), 0)
	reply = binary.BigEndian.AppendUint32(reply, uint32(len(msg)))
	return append(reply, msg...), nil
}

// needPlain says why the secret at hand cannot answer what the server asks, nil if it can.
func (l *Login) needPlain(what string) error {
	switch l.cred.secret.kind {
	case KindPlain:
		return nil
	case KindNone:
		return fmt.Errorf("%w: server asks for %s and no password is configured", ErrPassword, what)
	case KindMD5, KindSCRAM:
		return fmt.Errorf("%w: server asks for %s and only a hash of the password (%v) is configured",
			ErrUnsupported, what, l.cred.secret.kind)
	default:
		panic("pgauth: secret of unknown kind")
	}
}
