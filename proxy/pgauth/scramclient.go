package pgauth

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// gs2Header says that this client does no channel binding. It asks for no other identity than the startup message's.
const gs2Header = "n,,"

// scramClient is the part of a Login that only SCRAM needs.
type scramClient struct {
	nonce     string // ours
	firstBare string // client-first-message-bare
	signature key    // what the server must show
}

// first makes client-first-message. The name in it stays empty, as with libpq: PostgreSQL goes by the startup message.
func (s *scramClient) first() string {
	s.nonce = newNonce()
	s.firstBare = "n=,r=" + s.nonce
	return gs2Header + s.firstBare
}

// final judges server-first-message and makes client-final-message.
func (s *scramClient) final(serverFirst []byte, cred *Credential) ([]byte, error) {
	nonce, salt, iterations, err := s.parseServerFirst(serverFirst)
	if err != nil {
		return nil, err
	}
	k := cred.keysFor(salt, iterations)
	withoutProof := "c=" + base64.StdEncoding.EncodeToString([]byte(gs2Header)) + ",r=" + nonce
	authMessage := s.firstBare + "," + string(serverFirst) + "," + withoutProof
	s.signature = sign(k.server[:], authMessage)
	proof := k.client.xor(sign(k.stored[:], authMessage))
	return []byte(withoutProof + ",p=" + proof.base64()), nil
}

// parseServerFirst wants exactly nonce, salt and iteration count; like libpq it takes no extensions.
func (s *scramClient) parseServerFirst(msg []byte) (nonce string, salt []byte, iterations int, err error) {
	parts, ok := splitMessage(msg)
	if !ok || len(parts) != 3 {
		return "", nil, 0, violation("malformed SCRAM server-first-message")
	}
	nonce, ok = strings.CutPrefix(parts[0], "r=")
	if !ok || !isNonce(nonce) || !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return "", nil, 0, violation("SCRAM nonce does not extend ours")
	}
	saltText, ok := strings.CutPrefix(parts[1], "s=")
	if !ok {
		return "", nil, 0, violation("malformed SCRAM salt")
	}
	salt, ok = decodeBase64(saltText, 1, maxSalt)
	if !ok {
		return "", nil, 0, violation("malformed SCRAM salt")
	}
	count, ok := strings.CutPrefix(parts[2], "i=")
	if !ok {
		return "", nil, 0, violation("malformed SCRAM iteration count")
	}
	iterations, ok = parseIterations(count)
	if !ok {
		return "", nil, 0, violation("SCRAM iteration count is not between 1 and " + strconv.Itoa(maxIterations))
	}
	return nonce, salt, iterations, nil
}

// verify judges server-final-message: the server must show that it knows the verifier.
func (s *scramClient) verify(msg []byte) error {
	parts, ok := splitMessage(msg)
	if !ok || len(parts) != 1 {
		return violation("malformed SCRAM server-final-message")
	}
	if _, refused := strings.CutPrefix(parts[0], "e="); refused {
		return fmt.Errorf("%w: server refused the SCRAM proof", ErrPassword)
	}
	text, ok := strings.CutPrefix(parts[0], "v=")
	if !ok {
		return violation("malformed SCRAM server-final-message")
	}
	signature, ok := decodeBase64(text, keyLen, keyLen)
	if !ok {
		return violation("malformed SCRAM server signature")
	}
	if !key(signature).equal(s.signature) {
		return fmt.Errorf("%w: server did not prove that it knows the password", ErrPassword)
	}
	return nil
}
