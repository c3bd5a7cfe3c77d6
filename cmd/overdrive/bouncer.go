package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"overdrive/config"
)

// This file makes a configuration of PgBouncer's. What PgBouncer does by default is written down where our default is another.

// imported is a configuration that is made from another one's settings.
type imported struct {
	dir    string // of the other's file; names of files in it start there
	outDir string // of ours

	global    map[string]string
	top       config.Table // but for databases
	databases []importedDatabase
	users     map[string]config.Secret // of auth_file, as far as it can be read
	missing   []missing
}

// importedDatabase is one entry of [databases].
type importedDatabase struct {
	name  string
	table config.Table
}

// missing is a setting that has no counterpart here.
type missing struct {
	Setting string `json:"setting"`
	Where   string `json:"where"`
	Why     string `json:"why"`
}

// importBouncer turns the settings of PgBouncer into a configuration. star names the databases that the entry * is written for.
func importBouncer(settings []iniSetting, dir, outDir string, star []string) (*imported, error) {
	m := &imported{dir: dir, outDir: outDir, global: map[string]string{}}
	for _, s := range settings {
		switch s.section {
		case "pgbouncer":
			m.global[s.key] = s.value
			if err := m.takeGlobal(s); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", s.where, s.key, err)
			}
		case "databases":
		default:
			m.lack(s, "["+s.section+"] "+s.key, "there are no settings of this kind")
		}
	}
	m.program()
	for _, s := range settings {
		if s.section != "databases" {
			continue
		}
		if err := m.entry(s, star); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s.where, s.key, err)
		}
	}
	if len(m.databases) == 0 {
		return nil, errors.New("there is no database to serve; where [databases] has * only, name them with --database")
	}
	return m, nil
}

func (m *imported) lack(s iniSetting, setting, why string) {
	m.missing = append(m.missing, missing{setting, s.where, why})
}

// takeGlobal notes a setting of [pgbouncer] that has no counterpart, and checks one that has.
func (m *imported) takeGlobal(s iniSetting) error {
	if why, known := without[s.key]; known {
		if why != "" {
			m.lack(s, s.key, why)
		}
		return nil
	}
	switch kind := counterparts[s.key]; {
	case kind == "":
		m.lack(s, s.key, "is not known here")
	case kind == "seconds" || kind == "number":
		if n, err := strconv.ParseFloat(s.value, 64); err != nil || n < 0 {
			return fmt.Errorf("must be a number, got %q", s.value)
		}
	}
	return nil
}

// counterparts are the settings of [pgbouncer] that program and entry take up.
var counterparts = map[string]string{
	"listen_addr": "text", "listen_port": "number", "unix_socket_dir": "text", "auth_type": "text", "auth_file": "text",
	"admin_users": "text", "stats_users": "text", "pool_mode": "text", "default_pool_size": "number", "min_pool_size": "number",
	"max_client_conn": "number", "server_idle_timeout": "seconds", "server_lifetime": "seconds", "query_wait_timeout": "seconds",
	"client_login_timeout": "seconds", "server_connect_timeout": "seconds",
	"client_tls_sslmode": "text", "client_tls_key_file": "text", "client_tls_cert_file": "text", "client_tls_ca_file": "text",
	"server_tls_sslmode": "text", "server_tls_key_file": "text", "server_tls_cert_file": "text", "server_tls_ca_file": "text",
	"tcp_keepalive": "text", "tcp_keepidle": "number", "tcp_keepintvl": "number", "tcp_keepcnt": "number", "tcp_user_timeout": "number",
}

const (
	atServer = "set it at the server: ALTER ROLE … SET"
	atSystem = "is left to the system"
	perUser  = "pools are bounded per database and user, by pool.size"
)

// without are the settings that have no counterpart, and why not; empty where nothing is lost without it.
var without = map[string]string{
	"server_reset_query": "", "server_reset_query_always": "", "server_check_query": "", "server_check_delay": "", "max_prepared_statements": "",
	"ignore_startup_parameters": "", "track_extra_parameters": "", "disable_pqexec": "", "pkt_buf": "", "sbuf_loopcnt": "", "so_reuseport": "",
	"peer_id": "", "pidfile": "", "listen_backlog": "", "server_login_retry": "", "server_fast_close": "", "tcp_defer_accept": "", "tcp_socket_buffer": "",
	"suspend_timeout": "", "query_wait_notify": "", "cancel_wait_timeout": "", "autodb_idle_timeout": "", "server_round_robin": "",

	"logfile": "the log goes to standard error", "syslog": "the log goes to standard error", "syslog_ident": "the log goes to standard error",
	"syslog_facility": "the log goes to standard error", "verbose": "see log.level", "log_connections": "see log.level",
	"log_disconnections": "see log.level", "log_pooler_errors": "see log.level", "log_stats": "see SHOW STATS on the console",
	"stats_period": "see SHOW STATS on the console", "job_name": atSystem, "service_name": atSystem, "user": atSystem, "resolv_conf": atSystem,
	"dns_max_ttl": atSystem, "dns_nxdomain_ttl": atSystem, "dns_zone_check_period": atSystem,
	"unix_socket_mode": "everybody may open the socket; who logs in is for auth to say", "unix_socket_group": "everybody may open the socket",
	"auth_query": "users are listed in auth.users or auth.users_file", "auth_user": "users are listed in auth.users or auth.users_file",
	"auth_dbname": "users are listed in auth.users or auth.users_file", "auth_hba_file": "auth.method holds for all clients",
	"auth_ident_file": "auth.method holds for all clients", "auth_ldap_options": "LDAP is not supported",
	"query_timeout": atServer + " statement_timeout", "idle_transaction_timeout": atServer + " idle_in_transaction_session_timeout",
	"transaction_timeout": atServer + " transaction_timeout", "client_idle_timeout": atServer + " idle_session_timeout",
	"max_db_connections": perUser, "max_user_connections": perUser, "reserve_pool_size": perUser, "reserve_pool_timeout": perUser,
	"max_db_client_connections": "see limits.max_clients", "max_user_client_connections": "see limits.max_clients",
	"application_name_add_host": "see SHOW CLIENTS on the console", "max_packet_size": "see limits.max_message",
	"client_tls_protocols": "TLS 1.2 and newer", "client_tls_ciphers": "Go's choice", "client_tls13_ciphers": "Go's choice",
	"client_tls_ecdhcurve": "Go's choice", "client_tls_dheparams": "Go's choice", "server_tls_protocols": "TLS 1.2 and newer",
	"server_tls_ciphers": "Go's choice", "server_tls13_ciphers": "Go's choice",
}

// or returns a setting of [pgbouncer], or PgBouncer's default.
func (m *imported) or(key, usual string) string {
	if value, found := m.global[key]; found {
		return value
	}
	return usual
}

// program makes all that is not about one database.
func (m *imported) program() {
	add := func(key string, value any) { m.top = append(m.top, config.Entry{Key: key, Value: value}) }
	if listen := m.listen(); len(listen) > 0 {
		add("listen", listen)
	}
	auth := config.Table{{Key: "method", Value: m.method()}}
	if file := m.global["auth_file"]; file != "" {
		auth = append(auth, config.Entry{Key: "users_file", Value: m.path(file)})
		m.users, _ = config.ReadUsers(m.inDir(file)) // what is wrong with it, the configuration's check says
	}
	add("auth", auth)
	if tls := m.clientTLS(); tls != nil {
		add("tls", tls)
	}
	var limits config.Table
	if n, err := strconv.Atoi(m.or("max_client_conn", "100")); err == nil {
		limits = append(limits, config.Entry{Key: "max_clients", Value: n})
	}
	if wait, found := m.global["client_login_timeout"]; found && !isZero(wait) {
		limits = append(limits, config.Entry{Key: "login_timeout", Value: wait + "s"})
	}
	add("limits", limits)
	var admin config.Table
	for _, one := range [][2]string{{"users", "admin_users"}, {"stats_users", "stats_users"}} {
		if names := m.known(one[1]); len(names) > 0 {
			admin = append(admin, config.Entry{Key: one[0], Value: names})
		}
	}
	if len(admin) > 0 {
		add("admin", admin)
	}
}

// clientTLS is what clients find.
func (m *imported) clientTLS() config.Table {
	mode := m.or("client_tls_sslmode", "disable")
	if mode == "disable" {
		return nil
	}
	tls := config.Table{{Key: "mode", Value: mode}}
	for _, one := range [][2]string{{"cert_file", "client_tls_cert_file"}, {"key_file", "client_tls_key_file"}, {"client_ca_file", "client_tls_ca_file"}} {
		if file := m.global[one[1]]; file != "" {
			tls = append(tls, config.Entry{Key: one[0], Value: m.path(file)})
		}
	}
	return tls
}

// listen returns the addresses. A socket of ours has a number of its own.
func (m *imported) listen() (out []any) {
	port := m.or("listen_port", "6432")
	for one := range strings.SplitSeq(m.global["listen_addr"], ",") {
		switch one = strings.TrimSpace(one); one {
		case "":
		case "*":
			out = append(out, ":"+port)
		default:
			out = append(out, net.JoinHostPort(one, port))
		}
	}
	if dir := m.global["unix_socket_dir"]; filepath.IsAbs(dir) {
		out = append(out, dir)
		if port != "6432" {
			m.missing = append(m.missing, missing{"listen_port", "", "the Unix socket is " + filepath.Join(dir, socketName) + ", whatever the port"})
		}
	}
	return out
}

// method is how clients log in.
func (m *imported) method() string {
	kind := m.or("auth_type", "md5")
	switch kind {
	case "plain":
		return "password"
	case "md5", "scram-sha-256", "trust":
		return kind
	}
	m.missing = append(m.missing, missing{"auth_type", "", kind + " is not supported; scram-sha-256 is used"})
	return "scram-sha-256"
}

// known returns the users of a list that can log in.
func (m *imported) known(key string) (out []any) {
	for one := range strings.SplitSeq(m.global[key], ",") {
		one = strings.TrimSpace(one)
		switch {
		case one == "":
		case m.or("auth_type", "md5") != "trust" && m.users[one] == "":
			m.missing = append(m.missing, missing{key, "", one + " is not in auth_file"})
		default:
			out = append(out, one)
		}
	}
	return out
}

// inDir is the name of a file that the other's configuration names.
func (m *imported) inDir(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(m.dir, file)
}

// path is the same as our configuration names it.
func (m *imported) path(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return relativeTo(m.outDir, m.inDir(file))
}

func isZero(number string) bool {
	n, err := strconv.ParseFloat(number, 64)
	return err == nil && n == 0
}
