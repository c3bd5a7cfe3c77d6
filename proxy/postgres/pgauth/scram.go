package pgauth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

const (
	scramName = "SCRAM-SHA-256"

	// DefaultIterations is the iteration count for plain secrets and unknown users; PostgreSQL's own default.
	DefaultIterations = 4096

	keyLen   = sha256.Size
	nonceLen = 18 // random bytes in one side's nonce, 24 characters in base64; what PostgreSQL uses

	// maxSCRAMMessage bounds one SCRAM message in bytes; PostgreSQL has the same limit.
	maxSCRAMMessage = 1024
)

// key is a SHA-256 sized value of RFC 5802, section 3: ClientKey, StoredKey, ServerKey, a proof or a signature.
type key [keyLen]byte

// keys is everything a password yields under one salt and iteration count.
type keys struct {
	client, stored, server key
}

// verifier is what a server keeps in place of a password.
type verifier struct {
	salt           []byte
	iterations     int
	stored, server key
}

// deriveKeys does the costly part of SCRAM: PBKDF2 over the prepared password.
func deriveKeys(password string, salt []byte, iterations int) *keys {
	salted, err := pbkdf2.Key(sha256.New, saslprep(password), salt, iterations, keyLen)
	if err != nil {
		panic("pgauth: " + err.Error()) // only a key length or a FIPS-only mode that forbids our sizes
	}
	k := &keys{client: sign(salted, "Client Key"), server: sign(salted, "Server Key")}
	k.stored = sha256.Sum256(k.client[:])
	return k
}

func (k *keys) verifier(salt []byte, iterations int) *verifier {
	return &verifier{salt: salt, iterations: iterations, stored: k.stored, server: k.server}
}

// sign is HMAC-SHA-256.
func sign(secret []byte, message string) key {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(message))
	return key(mac.Sum(nil))
}

func (k key) xor(other key) key {
	var out key
	subtle.XORBytes(out[:], k[:], other[:])
	return out
}

func (k key) equal(other key) bool {
	return subtle.ConstantTimeCompare(k[:], other[:]) == 1
}

func (k key) base64() string {
	return base64.StdEncoding.EncodeToString(k[:])
}

func newNonce() string {
	var b [nonceLen]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// isNonce checks the "printable" of RFC 5802, section 7: visible ASCII without comma, at least one character.
func isNonce(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e || s[i] == ',' {
			return false
		}
	}
	return s != ""
}

// areExtensions checks that each part is a letter, "=" and a value, as RFC 5802 writes optional extensions. They are
// ignored, as the RFC asks; a mandatory one ("m") is refused by the callers because of where it stands.
func areExtensions(parts []string) bool {
	for _, p := range parts {
		if len(p) < 2 || !isLetter(p[0]) || p[1] != '=' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z'
}

// splitMessage cuts a SCRAM message at its commas. No value may contain one: names escape it, the rest is base64.
func splitMessage(msg []byte) ([]string, bool) {
	if len(msg) > maxSCRAMMessage {
		return nil, false
	}
	s := string(msg)
	return strings.Split(s, ","), strings.IndexByte(s, 0) < 0
}
