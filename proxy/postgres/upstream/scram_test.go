package upstream

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/pgwire"
)

// edit changes message number index of a server's side of a SCRAM exchange: the list of mechanisms, server-first-message,
// server-final-message. data is what follows the code of the Authentication message.
type edit func(index int, data []byte) []byte

// exchange logs in as app with the password "secret" at a server that knows it, and whose messages are edited. It returns
// whether the server, too, was content.
func exchange(t *testing.T, change edit) (conn *Conn, content bool, err error) {
	t.Helper()
	ours, theirs := net.Pipe()
	deadline := time.Now().Add(30 * time.Second)
	_, _ = ours.SetDeadline(deadline), theirs.SetDeadline(deadline)
	served := make(chan bool, 1)
	go func() {
		defer func() { _ = theirs.Close() }()
		served <- serveSCRAM(theirs, change) == nil
	}()
	given, err := pgauth.PlainSecret("secret")
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Host: "nowhere", Database: "shop"}
	conn, err = login(ours, target, pgauth.NewCredential("app", given))
	_ = ours.Close()
	return conn, <-served, err
}

func serveSCRAM(nc net.Conn, change edit) error {
	if _, _, err := pgwire.ReadStartup(nc); err != nil {
		return err
	}
	known, err := pgauth.PlainSecret("secret")
	if err != nil {
		return err
	}
	x := pgauth.NewAuthenticator(pgauth.Options{}).NewExchange(pgauth.MethodSCRAM, "app", known)
	reply := x.Start()
	for index := 0; reply != nil; index++ {
		reply = append(bytes.Clone(reply[:4]), change(index, bytes.Clone(reply[4:]))...)
		if _, err := nc.Write([]byte(msg('R', string(reply)))); err != nil {
			return err
		}
		if x.Done() {
			break
		}
		_, body, err := pgwire.ReadMessage(nc, maxMessage)
		if err != nil {
			return err
		}
		if reply, err = x.Next(body); err != nil {
			return err
		}
	}
	if _, err = nc.Write([]byte(good)); err == nil {
		_, err = io.Copy(io.Discard, nc) // until we hang up
	}
	return err
}

func leave(_ int, data []byte) []byte { return data }

func TestSCRAM_ServerThatKnowsThePasswordIsLoggedInTo(t *testing.T) {
	if conn, content, err := exchange(t, leave); err != nil || !content || conn.PID != 7 {
		t.Errorf("got %+v, %v, server content %v", conn, err, content)
	}
}

func TestSCRAM_PicksItAmongOtherMechanisms(t *testing.T) {
	_, content, err := exchange(t, func(index int, data []byte) []byte {
		if index == 0 {
			return []byte("SCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00")
		}
		return data
	})
	if err != nil || !content {
		t.Errorf("got %v, server content %v", err, content)
	}
}

func TestSCRAM_RefusesHostileServerFirstMessages(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(first string) string
	}{
		{"nonce not extended", func(s string) string { return "r=" + s[2:26] + s[strings.Index(s, ",s="):] }},
		{"somebody else's nonce", func(s string) string { return "r=x" + s[3:] }},
		{"no salt", func(s string) string { return s[:strings.Index(s, ",s=")] + s[strings.Index(s, ",i="):] }},
		{"salt not base64", func(s string) string { return strings.Replace(s, ",s=", ",s=*", 1) }},
		{"no rounds", func(s string) string { return s[:strings.Index(s, ",i=")] }},
		{"zero rounds", func(s string) string { return rounds(s, "0") }},
		{"negative rounds", func(s string) string { return rounds(s, "-1") }},
		{"absurd rounds", func(s string) string { return rounds(s, "10000001") }},
		{"overflowing rounds", func(s string) string { return rounds(s, "18446744073709551617") }},
		{"extension", func(s string) string { return s + ",x=1" }},
		{"too long", func(s string) string { return s + strings.Repeat(" ", 1024) }},
		{"nothing", func(string) string { return "" }},
	} {
		_, content, err := exchange(t, func(index int, data []byte) []byte {
			if index == 1 {
				return []byte(c.edit(string(data)))
			}
			return data
		})
		if !errors.Is(err, pgauth.ErrProtocol) || Permanent(err) || content {
			t.Errorf("%s: got %v, want %v", c.name, err, pgauth.ErrProtocol)
		}
	}
}

func rounds(first, count string) string { return first[:strings.Index(first, ",i=")] + ",i=" + count }

func TestSCRAM_RefusesAServerThatDoesNotKnowThePassword(t *testing.T) {
	for name, final := range map[string]string{
		"wrong signature": "v=" + base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"error":           "e=invalid-proof",
		"short signature": "v=AAAA",
		"no signature":    "",
		"several parts":   "v=,x=",
	} {
		_, _, err := exchange(t, func(index int, data []byte) []byte {
			if index == 2 {
				return []byte(final)
			}
			return data
		})
		if !errors.Is(err, pgauth.ErrPassword) || !Permanent(err) {
			t.Errorf("%s: got %v, want %v", name, err, pgauth.ErrPassword)
		}
	}
}

// Every bit of the server's messages counts: whichever is changed on its way, the login fails.
func TestSCRAM_OneChangedBitAnywhereEndsIt(t *testing.T) {
	var lengths [3]int
	if _, _, err := exchange(t, func(index int, data []byte) []byte {
		lengths[index] = len(data)
		return data
	}); err != nil {
		t.Fatal(err)
	}
	for index, n := range lengths {
		for at := range n {
			var sent string
			_, _, err := exchange(t, func(i int, data []byte) []byte {
				if i == index {
					if index == 1 && at > bytes.LastIndex(data, []byte(",i=")) {
						return nil // more rounds would only cost time
					}
					data[at] ^= 1
					sent = fmt.Sprintf("%q", data)
				}
				return data
			})
			if err == nil {
				t.Errorf("message %d with bit at %d changed, %s: got in", index, at, sent)
			}
		}
	}
}
