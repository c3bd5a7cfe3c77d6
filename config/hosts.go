package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// This file is about a database that one of several hosts serves: libpq's host list and target_session_attrs.

// Place is where a server listens.
type Place struct {
	Network string // "tcp" or "unix"
	Address string // host:port, or the path of the socket
	Host    string // the name that the server's certificate must have; empty for a Unix socket
}

// SessionAttrs says what a server must be to be used. Empty is "any".
type SessionAttrs string

// What a server may have to be: anything, no standby, or neither that nor read-only by default.
const (
	SessionAny       SessionAttrs = "any"
	SessionPrimary   SessionAttrs = "primary"
	SessionReadWrite SessionAttrs = "read-write"
)

var sessionAttrs = []SessionAttrs{SessionAny, SessionPrimary, SessionReadWrite}

// splitAuthority parses a URL whose authority may have several hosts, which stay together in its Host.
func splitAuthority(dsn string) (*url.URL, error) {
	scheme, rest, _ := strings.Cut(dsn, "://")
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	at := strings.LastIndexByte(rest[:end], '@') + 1
	hosts := rest[at:end]
	first, others, several := strings.Cut(hosts, ",")
	if !several {
		return url.Parse(dsn)
	}
	u, err := url.Parse(scheme + "://" + rest[:at] + first + rest[end:])
	if err != nil {
		return nil, err
	}
	for other := range strings.SplitSeq(others, ",") {
		if _, err := url.Parse(scheme + "://" + other); err != nil {
			return nil, err
		}
	}
	u.Host = hosts
	return u, nil
}

// hostsOf takes the host list of a URL apart.
func hostsOf(u *url.URL) (hosts, ports []string) {
	for one := range strings.SplitSeq(u.Host, ",") {
		place := url.URL{Host: one}
		hosts, ports = append(hosts, place.Hostname()), append(ports, place.Port())
	}
	return hosts, ports
}

// places fills in where the servers are. One port may stand for all hosts.
func (up *Upstream) places(hosts, ports []string) error {
	if len(ports) == 1 {
		for len(ports) < len(hosts) {
			ports = append(ports, ports[0])
		}
	}
	if len(ports) != len(hosts) {
		return fmt.Errorf("got %d ports for %d hosts", len(ports), len(hosts))
	}
	if len(hosts) > 1 && up.SessionAttrs != SessionPrimary && up.SessionAttrs != SessionReadWrite {
		return errors.New("several hosts need target_session_attrs=primary or read-write: answers of one must not be kept as those of another")
	}
	for i, host := range hosts {
		place, err := placeOf(host, ports[i])
		if err != nil {
			return err
		}
		if i == 0 {
			up.Place = place
		} else {
			up.Others = append(up.Others, place)
		}
	}
	return nil
}

// placeOf completes a host and a port. A host that is an absolute path is the directory of a Unix socket.
func placeOf(host, port string) (Place, error) {
	if port == "" {
		port = defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return Place{}, errors.New("the port must be between 1 and 65535")
	}
	switch {
	case host == "":
		return Place{}, errors.New("must name a host")
	case filepath.IsAbs(host):
		return Place{Network: "unix", Address: filepath.Join(host, ".s.PGSQL."+port)}, nil
	default:
		return Place{Network: "tcp", Host: host, Address: net.JoinHostPort(host, port)}, nil
	}
}

// Addresses names all places, with commas between them.
func (up *Upstream) Addresses() string {
	all := up.Address
	for _, other := range up.Others {
		all += "," + other.Address
	}
	return all
}
