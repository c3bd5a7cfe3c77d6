package pgauth

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Credential is what we log in to servers with. It is immutable and safe for concurrent use.
type Credential struct {
	user   string
	secret Secret
}

// NewCredential returns the credential of user. A plain secret answers every method, an md5 hash only md5, a SCRAM verifier
// and no secret at all only servers that ask for nothing.
func NewCredential(user string, secret Secret) *Credential {
	return &Credential{user: user, secret: secret}
}

// User is the name to log in with.
func (c *Credential) User() string { return c.user }

// loginState is where a login stands; doc.go has the picture.
type loginState uint8

const (
	loginFresh     loginState = iota // nothing asked yet; then answered, proving or done
	loginAnswered                    // a password is on its way; then done
	loginProving                     // the server has offered SCRAM; then verifying
	loginVerifying                   // the server has sent server-first-message; then trusted
	loginTrusted                     // the server has sent its signature; then done
	loginDone                        // terminal
	loginFailed                      // terminal
)

// Login is our authentication at one server: it says what the server may ask, and when. A password in clear and an md5
// response are its own work; a SCRAM exchange is that of the client that it is put before. It belongs to one goroutine.
type Login struct {
	cred    *Credential
	require Requirement
	private bool // nobody but the server can read what is sent
	state   loginState
}

// Answer is what becomes of a message that was let pass. The zero value leaves it to the SCRAM client.
type Answer struct {
	Message  []byte // body of the 'p' message that answers; nil: the SCRAM client has to
	Password string // for the SCRAM client, prepared as the proof wants it; comes with the first message of an exchange
}

// NewLogin begins a login at a server that may ask for what the requirement allows. private says that nobody else can read
// what is sent: it goes over TLS, or does not leave the machine.
func (c *Credential) NewLogin(require Requirement, private bool) *Login {
	return &Login{cred: c, require: require, private: private}
}

// Next takes the body of an Authentication message ('R'). It keeps no reference to body. After AuthenticationOk Done reports
// true. An error is final and wraps ErrPassword, ErrMethod, ErrProtocol or ErrUnsupported.
func (l *Login) Next(body []byte) (Answer, error) {
	answer, next, err := l.step(body)
	if err != nil {
		l.state = loginFailed
		return Answer{}, err
	}
	l.state = next
	return answer, nil
}

// Done reports whether the server has let us in.
func (l *Login) Done() bool { return l.state == loginDone }

// Blame says what it means that the client gave up with err after the last message that it was given.
func (l *Login) Blame(err error) error {
	switch l.state {
	case loginProving:
		return fmt.Errorf("%w: %w", ErrMethod, err) // what it has to insist on was not offered
	case loginTrusted:
		return fmt.Errorf("%w: server did not prove that it knows the password: %w", ErrPassword, err)
	default:
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
}

func (l *Login) step(body []byte) (answer Answer, next loginState, err error) {
	if len(body) < 4 || len(body) > MaxResponseBytes {
		return Answer{}, loginFailed, violation("malformed authentication request")
	}
	code, data := binary.BigEndian.Uint32(body), body[4:]
	switch {
	case code == authOK && (l.state == loginFresh || l.state == loginAnswered || l.state == loginTrusted):
		// Not while proving or verifying: a server that cuts SCRAM short has not shown that it knows the password.
		if len(data) != 0 {
			return Answer{}, loginFailed, violation("malformed AuthenticationOk")
		}
		if l.state == loginFresh {
			err = l.require.check(LoginNone, l.private)
		}
		return Answer{}, loginDone, err
	case l.state == loginFresh && (code == authCleartext || code == authMD5 || code == authSASL):
		return l.answer(code, data)
	case (code == authSASLContinue || code == authSASLFinal) && len(data) > maxSCRAMMessage:
		return Answer{}, loginFailed, violation("SCRAM message is too long")
	case code == authSASLContinue && l.state == loginProving:
		return Answer{}, loginVerifying, nil
	case code == authSASLFinal && l.state == loginVerifying:
		return Answer{}, loginTrusted, nil
	case isKnownCode(code):
		return Answer{}, loginFailed, violation("authentication request out of turn")
	default:
		return Answer{}, loginFailed, fmt.Errorf("%w: server asks for authentication type %d", ErrUnsupported, code)
	}
}

// answer gives the proof that the server asks for, if it may ask for that.
func (l *Login) answer(code uint32, data []byte) (answer Answer, next loginState, err error) {
	method, prove, next := LoginSCRAM, l.begin, loginProving
	switch code {
	case authCleartext:
		method, prove, next = LoginPassword, l.cleartext, loginAnswered
	case authMD5:
		method, prove, next = LoginMD5, l.md5, loginAnswered
	}
	if err := l.require.check(method, l.private); err != nil {
		return Answer{}, loginFailed, err
	}
	answer, err = prove(data)
	return answer, next, err
}

func isKnownCode(code uint32) bool {
	switch code {
	case authOK, authCleartext, authMD5, authSASL, authSASLContinue, authSASLFinal:
		return true
	default:
		return false
	}
}

func (l *Login) cleartext(data []byte) (Answer, error) {
	if len(data) != 0 {
		return Answer{}, violation("malformed AuthenticationCleartextPassword")
	}
	if err := l.needPlain("a clear-text password"); err != nil {
		return Answer{}, err
	}
	return Answer{Message: append([]byte(l.cred.secret.text), 0)}, nil
}

func (l *Login) md5(salt []byte) (Answer, error) {
	if len(salt) != 4 {
		return Answer{}, violation("malformed AuthenticationMD5Password")
	}
	digits := l.cred.secret.md5With(l.cred.user)
	if digits == "" {
		if err := l.needPlain("an md5 response"); err != nil {
			return Answer{}, err
		}
		return Answer{}, ErrPassword
	}
	return Answer{Message: append([]byte(md5Response(digits, salt)), 0)}, nil
}

// begin looks for SCRAM-SHA-256 in the server's list of mechanisms: strings that end in a zero byte, then one more. PostgreSQL
// offers it wherever it offers SCRAM-SHA-256-PLUS.
func (l *Login) begin(list []byte) (Answer, error) {
	names, ok := bytes.CutSuffix(list, []byte{0, 0})
	if !ok {
		return Answer{}, violation("malformed list of SASL mechanisms")
	}
	offered := false
	for name := range bytes.SplitSeq(names, []byte{0}) {
		if len(name) == 0 {
			return Answer{}, violation("malformed list of SASL mechanisms")
		}
		offered = offered || string(name) == scramName
	}
	if !offered {
		return Answer{}, fmt.Errorf("%w: server does not offer %s", ErrUnsupported, scramName)
	}
	if err := l.needPlain(scramName); err != nil {
		return Answer{}, err
	}
	return Answer{Password: saslprep(l.cred.secret.text)}, nil
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
