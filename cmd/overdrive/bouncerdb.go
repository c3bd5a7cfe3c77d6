package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"overdrive/config"
	"overdrive/proxy/postgres/pgauth"
)

// This file makes a database of an entry of PgBouncer's [databases].

// entry makes one, or, of *, one for each name that star has.
func (m *imported) entry(s iniSetting, star []string) error {
	parameters, err := connectionParameters(s.value)
	if err != nil {
		return err
	}
	names := []string{s.key}
	if s.key == "*" {
		names = star
		why := "each database needs an entry of its own: name them with --database"
		if len(star) > 0 {
			why = "entries were made for " + strings.Join(star, ", ") + "; any other database needs one"
		}
		m.lack(s, "*", why)
	}
	told := false
	for _, name := range names {
		at := slices.IndexFunc(m.databases, func(db importedDatabase) bool { return db.name == name })
		if at >= 0 && s.key == "*" {
			continue // an entry of its own, which counts
		}
		table, err := m.database(s, name, parameters, !told)
		told = true
		if err != nil {
			return err
		}
		if at >= 0 { // of several entries PgBouncer takes the last, too
			m.databases[at].table = table
			continue
		}
		m.databases = append(m.databases, importedDatabase{name, table})
	}
	return nil
}

// database makes the table of one. With tell, what has no counterpart is noted.
func (m *imported) database(s iniSetting, name string, parameters []iniParameter, tell bool) (config.Table, error) {
	given := make(map[string]string)
	for _, p := range parameters {
		given[p.name] = p.value
		if tell && !slices.Contains(entryParameters, p.name) {
			why := "is not known here"
			if known, found := without[p.name]; found && known != "" {
				why = known
			}
			m.lack(s, s.key+": "+p.name, why)
		}
	}
	dsn := m.url(name, given)
	table := config.Table{{Key: "url", Value: dsn.Reveal()}}
	if user := given["user"]; user != "" {
		var others []any
		for _, other := range slices.Sorted(maps.Keys(m.users)) {
			if other != user {
				others = append(others, other)
			}
		}
		if len(others) > 0 { // to PgBouncer, whoever can log in may use the database under that user
			table = append(table, config.Entry{Key: "users", Value: others})
		}
	}
	pool, err := m.pool(given)
	if err != nil {
		return nil, err
	}
	return append(table, config.Entry{Key: "pool", Value: pool}), nil
}

var entryParameters = []string{
	"host", "port", "user", "password", "dbname", "pool_size", "min_pool_size", "pool_mode", "server_lifetime", "query_wait_timeout",
}

// url makes the url of an entry, with what [pgbouncer] says of servers.
func (m *imported) url(name string, given map[string]string) *config.DSN {
	dsn := config.NewDSN()
	if user := given["user"]; user != "" {
		dsn.SetUser(config.Literal(user))
	}
	password := given["password"]
	if secret := m.users[given["user"]].Reveal(); password == "" && secret != "" { // PgBouncer looks there as well
		if parsed, err := pgauth.ParseSecret(secret); err == nil && parsed.Kind() == pgauth.KindPlain {
			password = secret
		} else {
			m.missing = append(m.missing, missing{name + ": user", "", "there is no password to log in with at the server: auth_file has a hash only"})
		}
	}
	if password != "" && given["user"] != "" {
		dsn.SetPassword(password, false)
	}
	host := given["host"]
	if host == "" {
		host = m.or("unix_socket_dir", "/tmp") // where PgBouncer looks for the server's socket, too
	}
	hosts := strings.Split(host, ",")
	if len(hosts) > 1 {
		dsn.SetParameter("host", host)
		dsn.SetParameter("target_session_attrs", "primary")
		m.missing = append(m.missing, missing{name + ": host", "", "of several hosts the primary is used, and no other"})
	} else {
		dsn.SetHost(host)
	}
	if port := given["port"]; port != "" {
		dsn.SetPort(port)
	}
	if dbname := given["dbname"]; dbname != "" {
		dsn.SetDatabase(config.Literal(dbname))
	} else {
		dsn.SetDatabase(config.Literal(name))
	}
	m.parameters(dsn)
	return dsn
}

// parameters adds to a url what [pgbouncer] says of all servers.
func (m *imported) parameters(dsn *config.DSN) {
	for _, one := range [][2]string{{"sslmode", "server_tls_sslmode"}, {"connect_timeout", "server_connect_timeout"}} {
		if value := m.global[one[1]]; value != "" {
			dsn.SetParameter(one[0], value)
		}
	}
	for _, one := range [][2]string{{"sslrootcert", "server_tls_ca_file"}, {"sslcert", "server_tls_cert_file"}, {"sslkey", "server_tls_key_file"}} {
		if file := m.global[one[1]]; file != "" {
			dsn.SetParameter(one[0], m.path(file))
		}
	}
	if alive := m.global["tcp_keepalive"]; alive == "0" {
		dsn.SetParameter("keepalives", "0")
	}
	for _, one := range [][2]string{
		{"keepalives_idle", "tcp_keepidle"}, {"keepalives_interval", "tcp_keepintvl"}, {"keepalives_count", "tcp_keepcnt"},
		{"tcp_user_timeout", "tcp_user_timeout"},
	} {
		if value := m.global[one[1]]; value != "" && !isZero(value) {
			dsn.SetParameter(one[0], value)
		}
	}
}

// pool makes the pool of an entry: its own settings, else those of [pgbouncer], else PgBouncer's defaults.
func (m *imported) pool(given map[string]string) (config.Table, error) {
	either := func(own, global, usual string) string {
		if value := given[own]; value != "" {
			return value
		}
		return m.or(global, usual)
	}
	mode := either("pool_mode", "pool_mode", "session")
	size, err := strconv.Atoi(either("pool_size", "default_pool_size", "20"))
	if err != nil || size < 1 {
		return nil, errors.New("the size of the pool must be a number of at least 1: there is no pool without a limit")
	}
	pool := config.Table{{Key: "mode", Value: mode}, {Key: "size", Value: size}}
	least, err := strconv.Atoi(either("min_pool_size", "min_pool_size", "0"))
	if err != nil {
		return nil, errors.New("min_pool_size must be a number")
	}
	if least > 0 {
		pool = append(pool, config.Entry{Key: "min_idle", Value: min(least, size)})
	}
	for _, one := range []struct{ key, value, ours string }{
		{"wait_timeout", either("query_wait_timeout", "query_wait_timeout", "120"), ""},
		{"idle_timeout", m.or("server_idle_timeout", "600"), "600"},
		{"max_lifetime", either("server_lifetime", "server_lifetime", "3600"), "3600"},
	} {
		if n, err := strconv.ParseFloat(one.value, 64); err != nil || n < 0 {
			return nil, fmt.Errorf("%s must be a number of seconds", one.key)
		}
		if one.value != one.ours {
			pool = append(pool, config.Entry{Key: one.key, Value: one.value + "s"})
		}
	}
	return pool, nil
}
