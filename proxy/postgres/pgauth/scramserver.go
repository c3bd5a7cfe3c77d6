package pgauth

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// scramServer is the part of an Exchange that only SCRAM needs.
type scramServer struct {
	gs2Header   string // the client's, to be echoed in base64 with the proof
	firstBare   string // client-first-message-bare
	serverFirst string
	nonce       string // the client's and ours
	clientKey   key    // recovered from a right proof
}

// initial judges SASLInitialResponse and answers with server-first-message.
func (e *Exchange) initial(body []byte) ([]byte, error) {
	msg, err := initialResponse(body)
	if err != nil {
		return nil, err
	}
	s := &e.scram
	clientNonce, err := s.parseFirst(msg)
	if err != nil {
		return nil, err
	}
	s.nonce = clientNonce + newNonce()
	salt, iterations := e.auth.salt(e.user), DefaultIterations
	if v := e.secret.verifier; v != nil {
		salt, iterations = v.salt, v.iterations
	}
	s.serverFirst = "r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString(salt) + ",i=" + strconv.Itoa(iterations)
	return request(authSASLContinue, s.serverFirst), nil
}

// initialResponse returns the SCRAM message within a SASLInitialResponse: name of the mechanism, zero byte, length, data.
func initialResponse(body []byte) ([]byte, error) {
	mechanism, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || len(rest) < 4 {
		return nil, violation("malformed SASL initial response")
	}
	if string(mechanism) != scramName {
		return nil, violation("SASL mechanism that was not offered")
	}
	length, msg := binary.BigEndian.Uint32(rest), rest[4:]
	if uint64(length) != uint64(len(msg)) { // an absent message has length 2³²-1 and is refused with the rest
		return nil, violation("malformed SASL initial response")
	}
	return msg, nil
}

// parseFirst reads client-first-message (RFC 5802, section 7) and returns the client's nonce.
func (s *scramServer) parseFirst(msg []byte) (string, error) {
	parts, ok := splitMessage(msg)
	if !ok || len(parts) < 4 {
		return "", violation("malformed SCRAM client-first-message")
	}
	flag, authzid, name, nonce := parts[0], parts[1], parts[2], parts[3]
	switch {
	case strings.HasPrefix(flag, "p="):
		return "", violation("SCRAM channel binding that was not offered")
	case flag != "n" && flag != "y":
		return "", violation("malformed SCRAM channel binding flag")
	case strings.HasPrefix(authzid, "a="):
		return "", fmt.Errorf("%w: SCRAM authorization identity", ErrUnsupported)
	case authzid != "":
		return "", violation("malformed SCRAM authorization identity")
	case strings.HasPrefix(name, "m="):
		return "", fmt.Errorf("%w: mandatory SCRAM extension", ErrUnsupported)
	case !strings.HasPrefix(name, "n="): // the name itself does not count: the startup message has named the user
		return "", violation("malformed SCRAM user name")
	case !strings.HasPrefix(nonce, "r=") || !isNonce(nonce[2:]):
		return "", violation("malformed SCRAM nonce")
	case !areExtensions(parts[4:]):
		return "", violation("malformed SCRAM extension")
	}
	s.gs2Header = flag + ",,"
	s.firstBare = string(msg[len(s.gs2Header):])
	return nonce[2:], nil
}

// proof judges SASLResponse with client-final-message and answers with server-final-message.
func (e *Exchange) proof(body []byte) ([]byte, error) {
	s := &e.scram
	proof, withoutProof, err := s.parseFinal(body)
	if err != nil {
		return nil, err
	}
	v := e.secret.verifierWith(e.auth.salt(e.user))
	known := v != nil
	if !known {
		v = e.auth.mockVerifier(e.user)
	}
	authMessage := s.firstBare + "," + s.serverFirst + "," + withoutProof
	clientKey := proof.xor(sign(v.stored[:], authMessage))
	signature := sign(v.server[:], authMessage)
	if !key(sha256.Sum256(clientKey[:])).equal(v.stored) || !known {
		return nil, ErrPassword
	}
	s.clientKey = clientKey
	return request(authSASLFinal, "v="+signature.base64()), nil
}

// parseFinal reads client-final-message and returns the proof and the message without it.
func (s *scramServer) parseFinal(msg []byte) (proof key, withoutProof string, err error) {
	parts, ok := splitMessage(msg)
	if !ok || len(parts) < 3 {
		return key{}, "", violation("malformed SCRAM client-final-message")
	}
	binding, nonce, last := parts[0], parts[1], parts[len(parts)-1]
	proofText, isProof := strings.CutPrefix(last, "p=")
	proofBytes, isKey := decodeBase64(proofText, keyLen, keyLen)
	switch {
	case binding != "c="+base64.StdEncoding.EncodeToString([]byte(s.gs2Header)):
		return key{}, "", violation("SCRAM channel binding does not match")
	case nonce != "r="+s.nonce:
		return key{}, "", violation("SCRAM nonce does not match")
	case !areExtensions(parts[2 : len(parts)-1]):
		return key{}, "", violation("malformed SCRAM extension")
	case !isProof || !isKey:
		return key{}, "", violation("malformed SCRAM proof")
	}
	return key(proofBytes), string(msg[:len(msg)-len(last)-1]), nil
}
