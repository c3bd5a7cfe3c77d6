package upstream

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"overdrive/proxy/postgres/pgauth"
)

// A server that asks for the password in clear is given it over TLS and over a Unix socket, else only if told so.
func TestConnect_SendsAPasswordInClearOnlyWhereNobodyElseReadsIt(t *testing.T) {
	on := serverWithTLS(t)
	unix := Target{Host: on.dir, Port: on.port, User: "clear", Password: "clear", Database: "postgres"}
	if _, err := connect(t, unix); err != nil {
		t.Errorf("Unix socket: %v", err)
	}
	for _, c := range []struct {
		mode, require string
		in            bool
	}{
		{"disable", "", false}, {"disable", "!md5", false}, {"disable", "password", true},
		{"require", "", true}, {"require", "scram-sha-256", false}, {"require", "!password", false},
		{"allow", "", true}, // over TLS in the end
	} {
		conn, err := connect(t, on.target(t, "clear", c.mode, "require_auth="+c.require))
		if (err == nil) != c.in || !c.in && (!errors.Is(err, pgauth.ErrMethod) || !Permanent(err)) {
			t.Errorf("sslmode=%s, require_auth=%q: got %v, want to be let in: %v", c.mode, c.require, err, c.in)
		}
		if err == nil && c.mode == "allow" {
			if _, secured := conn.NC.(*tls.Conn); !secured {
				t.Error("sslmode=allow sent the password in clear")
			}
		}
	}
	if _, err := connect(t, on.target(t, "scram", "disable", "require_auth=scram-sha-256")); err != nil {
		t.Errorf("SCRAM where it is required: %v", err)
	}
	if _, err := connect(t, on.target(t, "trusted", "disable", "require_auth=scram-sha-256")); !errors.Is(err, pgauth.ErrMethod) {
		t.Errorf("no question where SCRAM is required: got %v", err)
	}
}

func TestConnect_RefusesTheSystemsAuthoritiesInModesThatCompareNoName(t *testing.T) {
	on := serverWithTLS(t)
	for _, mode := range []string{"", "disable", "allow", "prefer", "require", "verify-ca"} {
		_, err := connect(t, on.target(t, "scram", mode, "sslrootcert=system"))
		if err == nil || !Permanent(err) || !strings.Contains(err.Error(), "verify-full") {
			t.Errorf("sslmode=%q: got %v, want an error that names verify-full", mode, err)
		}
	}
}

// Once there is a root, a chain that does not lead to it is refused in every mode that uses TLS; then prefer goes without.
func TestConnect_ChecksTheChainWhereverARootIsNamed(t *testing.T) {
	on := serverWithTLS(t)
	stranger := "sslrootcert=" + on.dir + "/stranger.crt"
	conn, err := connect(t, on.target(t, "scram", "prefer", stranger))
	if err != nil {
		t.Fatal(err)
	}
	if _, secured := conn.NC.(*tls.Conn); secured {
		t.Error("prefer speaks TLS with a server whose certificate is a stranger's")
	}
	if _, err := connect(t, on.target(t, "tlsonly", "allow", stranger)); err == nil {
		t.Error("allow speaks TLS with a server whose certificate is a stranger's")
	}
}
