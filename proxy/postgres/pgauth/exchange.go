package pgauth

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// Method is how a client has to prove who it is. The zero value is the strictest.
type Method uint8

const (
	MethodSCRAM    Method = iota // scram-sha-256
	MethodMD5                    // md5, or SCRAM if the stored secret is a SCRAM verifier
	MethodPassword               // the password in clear; any kind of secret will do
	MethodTrust                  // nothing is asked; whether the user may exist is the caller's question
)

// ParseMethod reads the names the configuration and pg_hba.conf use.
func ParseMethod(s string) (Method, error) {
	for _, m := range []Method{MethodSCRAM, MethodMD5, MethodPassword, MethodTrust} {
		if s == m.String() {
			return m, nil
		}
	}
	return 0, fmt.Errorf("%w method %q, want scram-sha-256, md5, password or trust", ErrUnsupported, s)
}

// String is the name in the configuration.
func (m Method) String() string {
	switch m {
	case MethodSCRAM:
		return "scram-sha-256"
	case MethodMD5:
		return "md5"
	case MethodPassword:
		return "password"
	case MethodTrust:
		return "trust"
	default:
		return "unknown"
	}
}

// MaxResponseBytes is the longest body of a 'p' message (PasswordMessage, SASLInitialResponse, SASLResponse) that an
// exchange accepts; PostgreSQL has the same limit. A reader may refuse longer ones before they are read.
const MaxResponseBytes = 65535

// Authentication request codes: the first four bytes of the body of an 'R' message.
const (
	authOK           = 0
	authCleartext    = 3
	authMD5          = 5
	authSASL         = 10
	authSASLContinue = 11
	authSASLFinal    = 12
)

// request is the body of an 'R' message.
func request(code uint32, data string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, code), data...)
}

// Options configures an Authenticator. The zero value works.
type Options struct {
	// ServerSecret keys the salts shown for unknown users and for plain secrets. Give the same value to all processes
	// that serve the same users, or salts tell a restart or a replica apart. Empty means random.
	ServerSecret []byte

	// UnknownKind is the kind of secret an unknown user is taken to have. It matters only to MethodMD5, where a SCRAM
	// verifier makes the exchange SCRAM; set KindSCRAM if that is what most users have. Otherwise leave it zero.
	UnknownKind Kind
}

// Authenticator checks clients. It is immutable and safe for concurrent use.
type Authenticator struct {
	serverSecret []byte
	unknownKind  Kind
}

// NewAuthenticator returns an Authenticator that keeps no reference to o's slice.
func NewAuthenticator(o Options) *Authenticator {
	a := &Authenticator{serverSecret: bytes.Clone(o.ServerSecret), unknownKind: o.UnknownKind}
	if len(a.serverSecret) == 0 {
		a.serverSecret = make([]byte, keyLen)
		_, _ = rand.Read(a.serverSecret) // never fails
	}
	return a
}

// Prepare derives and keeps the SCRAM verifier of a plain secret now, so that its user's first login takes no longer than
// the others and no longer than a stranger's. It costs a millisecond of processor and may run in the background.
func (a *Authenticator) Prepare(user string, secret Secret) {
	secret.verifierWith(a.salt(user))
}

// salt is what a user without a stored verifier is shown: the same for the same name, whether or not the name is known.
func (a *Authenticator) salt(user string) []byte {
	k := sign(a.serverSecret, "salt "+user)
	return k[:16]
}

// mockVerifier belongs to no password.
func (a *Authenticator) mockVerifier(user string) *verifier {
	return &verifier{
		salt:       a.salt(user),
		iterations: DefaultIterations,
		stored:     sign(a.serverSecret, "stored "+user),
		server:     sign(a.serverSecret, "server "+user),
	}
}

// state is where an exchange stands; doc.go has the picture.
type state uint8

const (
	stateNew           state = iota // then awaitPassword, awaitInitial or done
	stateAwaitPassword              // a request for a password is out; then done or failed
	stateAwaitInitial               // AuthenticationSASL is out; then awaitProof or failed
	stateAwaitProof                 // AuthenticationSASLContinue is out; then done or failed
	stateDone                       // the client is who it says it is; terminal
	stateFailed                     // terminal
)

// Exchange is the authentication of one client. It belongs to one goroutine.
type Exchange struct {
	auth   *Authenticator
	method Method
	user   string
	secret Secret

	state   state
	md5Salt [4]byte // of the md5 request, if that is what was asked
	scram   scramServer
}

// NewExchange begins the authentication of user, who has the given secret; the zero Secret stands for a user who is not
// known.
func (a *Authenticator) NewExchange(method Method, user string, secret Secret) *Exchange {
	return &Exchange{auth: a, method: a.effective(method, secret.kind), user: user, secret: secret}
}

// effective is the method that is really used: md5 with a SCRAM verifier is SCRAM, as in PostgreSQL.
func (a *Authenticator) effective(method Method, kind Kind) Method {
	if kind == KindNone {
		kind = a.unknownKind
	}
	if method == MethodMD5 && kind == KindSCRAM {
		return MethodSCRAM
	}
	return method
}

// Start returns the body of the first Authentication request, or nil if nothing is asked of the client and the exchange
// is done. Call it once.
func (e *Exchange) Start() []byte {
	if e.state != stateNew {
		panic("pgauth: Start called twice")
	}
	switch e.method {
	case MethodTrust:
		e.state = stateDone
		return nil
	case MethodPassword:
		e.state = stateAwaitPassword
		return request(authCleartext, "")
	case MethodMD5:
		e.state = stateAwaitPassword
		_, _ = rand.Read(e.md5Salt[:]) // never fails
		return request(authMD5, string(e.md5Salt[:]))
	case MethodSCRAM:
		e.state = stateAwaitInitial
		return request(authSASL, scramName+"\x00\x00")
	default:
		panic("pgauth: exchange with an unknown method")
	}
}

// Next takes the body of the client's 'p' message and returns the body of the Authentication request to send, nil if there
// is none. It keeps no reference to body. After the last one Done reports true and it is on the caller to send
// AuthenticationOk, once it has made its own checks. An error is final and wraps ErrPassword, ErrProtocol or
// ErrUnsupported; ErrPassword is returned bare.
func (e *Exchange) Next(body []byte) ([]byte, error) {
	reply, next, err := e.step(body)
	if err != nil {
		e.state = stateFailed
		return nil, err
	}
	e.state = next
	return reply, nil
}

func (e *Exchange) step(body []byte) (reply []byte, next state, err error) {
	if len(body) > MaxResponseBytes {
		return nil, stateFailed, violation("response is too long")
	}
	switch e.state {
	case stateAwaitPassword:
		return nil, stateDone, e.checkPassword(body)
	case stateAwaitInitial:
		reply, err = e.initial(body)
		return reply, stateAwaitProof, err
	case stateAwaitProof:
		reply, err = e.proof(body)
		return reply, stateDone, err
	case stateNew, stateDone, stateFailed:
		return nil, stateFailed, violation("response to no request")
	default:
		panic("pgauth: exchange in an unknown state")
	}
}

// Done reports whether the client has proved who it is.
func (e *Exchange) Done() bool { return e.state == stateDone }

// ClientKey returns the ClientKey (RFC 5802, section 3) that a successful SCRAM exchange has revealed, false after any
// other method. Together with the ServerKey of the verifier it is enough to log in at a server that stores the very same
// verifier (same salt, same iterations), without ever knowing the password. It is as secret as the password.
func (e *Exchange) ClientKey() ([]byte, bool) {
	if e.state != stateDone || e.method != MethodSCRAM {
		return nil, false
	}
	return bytes.Clone(e.scram.clientKey[:]), true
}

// checkPassword judges a PasswordMessage: a password in clear or an md5 response, with a closing zero byte.
func (e *Exchange) checkPassword(body []byte) error {
	end := bytes.IndexByte(body, 0)
	if end < 0 || end != len(body)-1 {
		return violation("malformed password message")
	}
	response := string(body[:end])
	if e.method == MethodMD5 {
		return e.checkMD5(response)
	}
	return e.checkCleartext(response)
}

func (e *Exchange) checkMD5(response string) error {
	digits := e.secret.md5With(e.user)
	known := digits != ""
	if !known {
		digits = md5Hex(string(e.auth.salt(e.user)))
	}
	want := md5Response(digits, e.md5Salt[:])
	if subtle.ConstantTimeCompare([]byte(response), []byte(want)) != 1 || !known {
		return ErrPassword
	}
	return nil
}

// checkCleartext derives the key of what was sent for every kind of secret, even none, so that the time taken does not tell
// them apart.
func (e *Exchange) checkCleartext(password string) error {
	if password == "" {
		return ErrPassword
	}
	v := e.secret.verifierWith(e.auth.salt(e.user))
	known := v != nil
	if !known {
		v = e.auth.mockVerifier(e.user)
	}
	right := deriveKeys(password, v.salt, v.iterations).stored.equal(v.stored) && known
	if e.secret.kind == KindMD5 {
		want := e.secret.md5With(e.user)
		got := md5Hex(password + e.user)
		right = want != "" && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
	}
	if !right {
		return ErrPassword
	}
	return nil
}
