package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"overdrive/proxy/postgres/pgauth"
)

// This file is about targets of several hosts, of which one at a time is the right one: libpq's host list and
// target_session_attrs.

// Endpoint is a host of a Target.
type Endpoint struct {
	Host    string // name, address, or the directory of a Unix socket (begins with "/")
	Address string // address to dial in place of Host, which then only names the certificate; libpq's hostaddr
	Port    int
}

// Values of libpq's target_session_attrs that are understood.
const (
	SessionAny       = "any"
	SessionPrimary   = "primary"
	SessionReadWrite = "read-write"
)

// Server names the hosts of a target for comparison, host:port, with commas between them.
func (t Target) Server() string {
	all := t.Host + ":" + strconv.Itoa(t.Port)
	for _, e := range t.Others {
		all += "," + e.Host + ":" + strconv.Itoa(e.Port)
	}
	return all
}

// Hosts are the names of the hosts, with commas between them.
func (t Target) Hosts() string {
	all := t.Host
	for _, e := range t.Others {
		all += "," + e.Host
	}
	return all
}

// each returns a target for each host.
func (t Target) each() []Target {
	others := t.Others
	t.Others = nil
	all := []Target{t}
	for _, e := range others {
		t.Host, t.Address, t.Port = e.Host, e.Address, e.Port
		all = append(all, t)
	}
	return all
}

// Connect dials, secures and logs in as cred, at the first host that is there and is what SessionAttrs wants. It returns when the
// server is ready, or when ctx ends; the target's ConnectTimeout is for each host. A refusal by the server is a *ServerError
// within the error; see also Permanent.
func (d *Dialer) Connect(ctx context.Context, cred *pgauth.Credential) (*Conn, error) {
	var failed error
	for _, t := range d.Target.each() {
		one := &Dialer{Target: t, Wrap: d.Wrap}
		conn, err := one.connect(ctx, cred)
		if err == nil {
			return conn, nil
		}
		another := ctx.Err() == nil && worthNext(err)
		if failed != nil {
			err = &bothError{first: failed, second: err}
		}
		if failed = err; !another {
			break
		}
	}
	return nil, failed
}

// connect is Connect for a target of one host.
func (d *Dialer) connect(ctx context.Context, cred *pgauth.Credential) (*Conn, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	var conn *Conn
	err := d.try(ctx, func(nc net.Conn) (err error) {
		if conn, err = login(nc, d.Target, cred); err != nil {
			return err
		}
		return conn.suits(d.Target.SessionAttrs)
	})
	if err != nil {
		return nil, fmt.Errorf("upstream login as %q at %s: %w", cred.User(), d.Target, err)
	}
	conn.Home = d.at(conn.NC.RemoteAddr())
	return conn, nil
}

// at returns a dialler that leads to an address of the host, where it has several.
func (d *Dialer) at(remote net.Addr) *Dialer {
	home := *d
	if tcp, ok := remote.(*net.TCPAddr); ok {
		home.Target.Address = tcp.AddrPort().Addr().Unmap().String()
	}
	return &home
}

// errUnsuited says that a server is not what SessionAttrs wants.
var errUnsuited = errors.New("not the server that is wanted")

// worthNext reports whether the next host may fare better, libpq's rule: not if the server was there, and it was the login that
// failed.
func worthNext(err error) bool {
	var server *ServerError
	switch {
	case errors.As(err, &server):
		return strings.HasPrefix(server.Code, "57P0") // it is starting up or shutting down
	case errors.Is(err, pgauth.ErrMethod), errors.Is(err, pgauth.ErrPassword), errors.Is(err, errTarget):
		return false
	}
	return true
}

// suits reports, as an error, that a server is not what attrs want. PostgreSQL tells at the login since version 14; another is
// asked.
func (c *Conn) suits(attrs string) error {
	switch attrs {
	case "", SessionAny:
		return nil
	case SessionPrimary, SessionReadWrite:
	default:
		return fmt.Errorf("%w: target_session_attrs %q", errTarget, attrs)
	}
	standby, told := c.Params["in_hot_standby"]
	readOnly, toldToo := c.Params["default_transaction_read_only"]
	if !told || !toldToo {
		const ask = `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'on' END, pg_catalog.current_setting('transaction_read_only')`
		rows, err := c.Query(ask)
		if err != nil {
			return fmt.Errorf("ask for target_session_attrs: %w", err)
		}
		if len(rows) != 1 || len(rows[0]) != 2 {
			return fmt.Errorf("%w: answer for target_session_attrs", errWire)
		}
		standby, readOnly = rows[0][0], rows[0][1]
		c.settleAhead()
	}
	switch {
	case standby == "on":
		return fmt.Errorf("%w: it is a standby, and target_session_attrs is %s", errUnsuited, attrs)
	case readOnly == "on" && attrs == SessionReadWrite:
		return fmt.Errorf("%w: it is read-only, and target_session_attrs is %s", errUnsuited, attrs)
	}
	return nil
}

// settleAhead takes back what Query has read too far.
func (c *Conn) settleAhead() {
	c.Ahead, _ = c.in.Peek(c.in.Buffered())
	c.in = nil
}
