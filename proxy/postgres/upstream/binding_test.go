package upstream

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"overdrive/proxy/postgres/pgauth"
)

// inTheMiddle is a target that leads to a server by way of somebody who has another certificate.
func inTheMiddle(t *testing.T, p *postgres) Target {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(p.dir+"/stranger.crt", p.dir+"/stranger.key")
	if err != nil {
		t.Fatal(err)
	}
	l, listening := listen(t)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer client.Close()
				_ = relay(client, tls.Server(client, &tls.Config{Certificates: []tls.Certificate{pair}}), p.target(t, "", "require", ""))
			}()
		}
	}()
	target := p.target(t, "scram", "require", "")
	target.Port = listening.Port
	return target
}

// relay answers the TLS request that comes over raw, and brings what then comes over secured to the server, over TLS as well.
func relay(raw, secured net.Conn, server Target) error {
	request := make([]byte, 8)
	if _, err := io.ReadFull(raw, request); err != nil || binary.BigEndian.Uint32(request[4:]) != sslRequest {
		return errWire
	}
	if _, err := raw.Write([]byte("S")); err != nil {
		return err
	}
	return (&Dialer{Target: server}).try(context.Background(), func(up net.Conn) error {
		defer up.Close()
		go func() {
			_, _ = io.Copy(up, secured)
			_ = up.Close()
		}()
		_, _ = io.Copy(secured, up)
		return nil
	})
}

func TestConnect_BindsTheProofToTheServersCertificate(t *testing.T) {
	on := serverWithTLS(t)
	middle := inTheMiddle(t, on)
	for _, c := range []struct {
		name, role, mode, binding string
		want                      error // nil: in
	}{
		{name: "SCRAM over TLS", role: "scram", mode: "require", binding: "require"},
		{name: "SCRAM over TLS, prefer", role: "scram", mode: "require", binding: "prefer"},
		{name: "SCRAM over TLS, disable", role: "scram", mode: "require", binding: "disable"},
		{name: "SCRAM without TLS", role: "scram", mode: "disable", binding: "require", want: pgauth.ErrMethod},
		{name: "SCRAM without TLS, prefer", role: "scram", mode: "disable", binding: "prefer"},
		{name: "md5", role: "hashed", mode: "require", binding: "require", want: pgauth.ErrMethod},
		{name: "password in clear", role: "clear", mode: "require", binding: "require", want: pgauth.ErrMethod},
		{name: "nothing asked", role: "trusted", mode: "require", binding: "require", want: pgauth.ErrMethod},
		{name: "unknown word", role: "trusted", mode: "require", binding: "always", want: errTarget},
	} {
		target := on.target(t, c.role, c.mode, "")
		target.ChannelBinding = c.binding
		_, err := connect(t, target)
		if !errors.Is(err, c.want) || c.want != nil && !Permanent(err) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	for binding, in := range map[string]bool{"disable": true, "": false, "prefer": false, "require": false} {
		middle.ChannelBinding = binding
		_, err := connect(t, middle)
		if (err == nil) != in || !in && !strings.Contains(err.Error(), "channel binding") {
			t.Errorf("somebody in the middle, channel_binding=%q: got %v, want in: %v", binding, err, in)
		}
	}
}

// RFC 5929 says nothing of certificates whose signature has no hash of its own.
func TestConnect_LogsInWhereTheCertificateCannotBeBoundTo(t *testing.T) {
	p := serverWithTLS(t)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{}
	writeCertificateOf(t, p.dir, "edwards", key, template, template, key)
	p.copyCertificate(t, "server", "usual")
	p.useCertificate(t, "edwards", x509.PureEd25519)
	defer p.useCertificate(t, "usual", x509.ECDSAWithSHA256)
	for _, binding := range []string{"", "prefer", "disable", "require"} {
		target := p.target(t, "scram", "require", "")
		target.ChannelBinding = binding
		if _, err := connect(t, target); (err == nil) != (binding != "require") || err != nil && !Permanent(err) {
			t.Errorf("channel_binding=%q: got %v", binding, err)
		}
	}
}

// useCertificate has the server show another certificate in the place of its own, and returns when it does.
func (p *postgres) useCertificate(t *testing.T, name string, algorithm x509.SignatureAlgorithm) {
	t.Helper()
	p.copyCertificate(t, name, "server")
	p.sql(t, "SELECT pg_reload_conf()")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for d := (&Dialer{Target: p.target(t, "trusted", "require", "")}); ; time.Sleep(10 * time.Millisecond) { // nothing announces the moment
		conn, err := d.Connect(ctx, pgauth.NewCredential("trusted", pgauth.Secret{}))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.NC.Close()
		if conn.NC.(*tls.Conn).ConnectionState().PeerCertificates[0].SignatureAlgorithm == algorithm {
			return
		}
	}
}

func (p *postgres) copyCertificate(t *testing.T, from, to string) {
	t.Helper()
	for _, suffix := range []string{".crt", ".key"} {
		content, err := os.ReadFile(p.dir + "/" + from + suffix)
		if err != nil {
			t.Fatal(err)
		}
		p.write(t, to+suffix, string(content))
	}
	p.own(t)
}
