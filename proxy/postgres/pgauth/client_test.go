package pgauth

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

// client proves itself to an Exchange in every method, byte by byte as the RFC says, so that tests can look at each.
type client struct {
	user, password string
	in             bool // AuthenticationOk has come
	scram          scramClient
}

func newClient(user, password string) *client { return &client{user: user, password: password} }

// Next answers the body of an Authentication message.
func (c *client) Next(body []byte) ([]byte, error) {
	if len(body) < 4 {
		return nil, violation("short request")
	}
	switch code, data := binary.BigEndian.Uint32(body), body[4:]; code {
	case authOK:
		c.in = true
		return nil, nil
	case authCleartext:
		if len(data) != 0 {
			return nil, violation("malformed request")
		}
		return append([]byte(c.password), 0), nil
	case authMD5:
		if len(data) != 4 {
			return nil, violation("malformed salt")
		}
		return append([]byte(md5Response(md5Hex(c.password+c.user), data)), 0), nil
	case authSASL:
		if string(data) != scramName+"\x00\x00" {
			return nil, violation("other mechanisms than this server has")
		}
		return initialBody(scramName, c.scram.first()), nil
	case authSASLContinue:
		return c.scram.final(data, c.password)
	case authSASLFinal:
		return nil, c.scram.verify(data)
	default:
		return nil, violation("unknown request")
	}
}

// gs2Header says that this client does no channel binding. It asks for no other identity than the startup message's.
const gs2Header = "n,,"

// scramClient is the part of a client that only SCRAM needs.
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
func (s *scramClient) final(serverFirst []byte, password string) ([]byte, error) {
	nonce, salt, iterations, err := s.parseServerFirst(serverFirst)
	if err != nil {
		return nil, err
	}
	k := deriveKeys(password, salt, iterations)
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
		return "", nil, 0, violation("SCRAM iteration count")
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
