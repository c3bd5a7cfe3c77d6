package pgauth

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// Kind says in which form a Secret holds what is known of a password.
type Kind uint8

const (
	KindNone  Kind = iota // nothing is known; no password is right
	KindPlain             // the password itself
	KindMD5               // "md5" and md5(password + user) in hexadecimal
	KindSCRAM             // a SCRAM-SHA-256 verifier
)

// String names the kind for people.
func (k Kind) String() string {
	switch k {
	case KindNone:
		return "none"
	case KindPlain:
		return "plain"
	case KindMD5:
		return "md5"
	case KindSCRAM:
		return "scram-sha-256"
	default:
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
}

// Secret is what is stored of one user's password. The zero value is KindNone, the secret of an unknown user: it matches
// nothing. Secrets are immutable and may be copied and shared between goroutines; they never print their content.
type Secret struct {
	kind     Kind
	text     string      // KindPlain: the password; KindMD5: 32 hexadecimal digits
	verifier *verifier   // KindSCRAM
	derived  *derivation // KindPlain: the verifier derived from text, shared by all copies
}

// derivation remembers the verifier of a plain secret, so that it is derived once and not at each login.
type derivation struct {
	mu struct {
		sync.Mutex
		verifier *verifier
	} // guards the field inside; held during a derivation, so that simultaneous first logins do not repeat it
}

// Limits of what a verifier or a server may ask of us.
const (
	maxIterations = 10_000_000 // about three seconds of processor; PostgreSQL's usual figure is 4096
	maxSalt       = 256        // bytes; PostgreSQL's salts have 16
)

// errVerifier names no part of the text: it may be a mistyped secret.
var errVerifier = errors.New("malformed SCRAM-SHA-256 verifier, want SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>")

// ParseSecret reads a secret as pg_authid.rolpassword and PgBouncer's user list write it: a SCRAM-SHA-256 verifier, "md5"
// followed by 32 lower-case hexadecimal digits, else the password itself. An empty string is KindNone. A text that begins
// like a verifier and is none is an error; the error does not repeat it.
func ParseSecret(s string) (Secret, error) {
	if strings.HasPrefix(s, scramName+"$") {
		v, err := parseVerifier(s)
		if err != nil {
			return Secret{}, err
		}
		return Secret{kind: KindSCRAM, verifier: v}, nil
	}
	if digits, ok := strings.CutPrefix(s, "md5"); ok && isLowerHex(digits) && len(digits) == 2*md5.Size {
		return Secret{kind: KindMD5, text: digits}, nil
	}
	return PlainSecret(s)
}

// PlainSecret takes the password literally, whatever it looks like. An empty one is KindNone. A password with a zero byte
// cannot travel in the protocol and is refused.
func PlainSecret(password string) (Secret, error) {
	switch {
	case password == "":
		return Secret{}, nil
	case strings.IndexByte(password, 0) >= 0:
		return Secret{}, errors.New("password contains a zero byte")
	case len(password) >= MaxResponseBytes:
		return Secret{}, fmt.Errorf("password is longer than %d bytes", MaxResponseBytes-1)
	}
	return Secret{kind: KindPlain, text: password, derived: new(derivation)}, nil
}

// Kind says in which form the secret is held.
func (s Secret) Kind() Kind { return s.kind }

// Format writes the kind of the secret and nothing of its content, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "Secret("+s.kind.String()+")")
}

// verifierWith returns the verifier of a SCRAM or plain secret, nil for the others. For a plain secret it is derived with
// salt at the first call and kept.
func (s Secret) verifierWith(salt []byte) *verifier {
	switch s.kind {
	case KindSCRAM:
		return s.verifier
	case KindPlain:
		d := s.derived
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.mu.verifier == nil || string(d.mu.verifier.salt) != string(salt) {
			d.mu.verifier = deriveKeys(s.text, salt, DefaultIterations).verifier(salt, DefaultIterations)
		}
		return d.mu.verifier
	case KindNone, KindMD5:
		return nil
	default:
		panic("pgauth: secret of unknown kind")
	}
}

// md5With returns the 32 hexadecimal digits of md5(password + user), or "" if they cannot be known. The hash of an empty
// password is as good as none.
func (s Secret) md5With(user string) string {
	switch s.kind {
	case KindMD5:
		if s.text == md5Hex(user) {
			return ""
		}
		return s.text
	case KindPlain:
		return md5Hex(s.text + user)
	case KindNone, KindSCRAM:
		return ""
	default:
		panic("pgauth: secret of unknown kind")
	}
}

func parseVerifier(s string) (*verifier, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 3 {
		return nil, errVerifier
	}
	count, saltText, ok1 := strings.Cut(parts[1], ":")
	storedText, serverText, ok2 := strings.Cut(parts[2], ":")
	if !ok1 || !ok2 {
		return nil, errVerifier
	}
	iterations, ok := parseIterations(count)
	if !ok {
		return nil, errVerifier
	}
	salt, ok := decodeBase64(saltText, 1, maxSalt)
	if !ok {
		return nil, errVerifier
	}
	stored, ok := decodeBase64(storedText, keyLen, keyLen)
	if !ok {
		return nil, errVerifier
	}
	server, ok := decodeBase64(serverText, keyLen, keyLen)
	if !ok {
		return nil, errVerifier
	}
	return &verifier{salt: salt, iterations: iterations, stored: key(stored), server: key(server)}, nil
}

// parseIterations reads a decimal count from 1 to maxIterations without sign or leading zero.
func parseIterations(s string) (int, bool) {
	if len(s) == 0 || len(s) > 8 || s[0] < '1' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= maxIterations
}

// decodeBase64 accepts only canonical padded base64 that yields minLen to maxLen bytes.
func decodeBase64(s string, minLen, maxLen int) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") { // the decoder would skip them
		return nil, false
	}
	if len(s) > base64.StdEncoding.EncodedLen(maxLen) {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil && len(b) >= minLen && len(b) <= maxLen
}

func isLowerHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// md5Response is the answer to AuthenticationMD5Password, from the digits of md5(password + user).
func md5Response(digits string, salt []byte) string {
	return "md5" + md5Hex(digits+string(salt))
}
