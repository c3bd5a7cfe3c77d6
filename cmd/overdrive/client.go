package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"overdrive/config"
	"overdrive/proxy/postgres/pgauth"
)

// This file is what the commands that speak to a running server have in common. They find it by the same configuration as
// it was started with, and log in to its console.

// consoleFlags are the flags of such a command.
type consoleFlags struct {
	from     source
	database string
	user     string
	json     bool
}

func (f *consoleFlags) addTo(cmd *cobra.Command) {
	f.from.addTo(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.database, "database", "", "database, by the name that clients use; may be left out if there is one only")
	flags.StringVar(&f.user, "user", "", "log in as this user, with PGPASSWORD if the configuration does not hold its password\n"+
		"(default: the user of the database's url)")
	flags.BoolVar(&f.json, "json", false, "write JSON")
}

// consoleLoginLimit bounds the login at the console.
const consoleLoginLimit = 10 * time.Second

// login connects to the console of the server that the flags mean. The caller must close the connection.
func (f *consoleFlags) login(cmd *cobra.Command) (*console, error) {
	cfg, err := f.from.load(cmd)
	if err != nil {
		return nil, err
	}
	if _, known := cfg.Databases[f.database]; f.database != "" && !known {
		return nil, fmt.Errorf("the configuration has no database %q", f.database)
	}
	who, err := f.account(cfg)
	if err != nil {
		return nil, err
	}
	settings, err := consoleSettings(cfg, who)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), consoleLoginLimit)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("is the server running? %w", err)
	}
	return &console{conn}, nil
}

// account is somebody who can log in.
type account struct{ user, password string }

// account chooses whom to log in as: who is named; else the user of the database's URL; else an administrator; else the user
// of any URL.
func (f *consoleFlags) account(cfg *config.Config) (account, error) {
	var candidates []string
	names := slices.Sorted(maps.Keys(cfg.Databases))
	chosen := f.database
	if chosen == "" && len(names) == 1 {
		chosen = names[0]
	}
	if f.user != "" {
		return account{f.user, passwordOf(cfg, f.user)}, nil
	}
	candidates = append(candidates, cfg.Databases[chosen].Upstream.User)
	candidates = append(append(candidates, cfg.Admin.Users...), cfg.Admin.StatsUsers...)
	for _, name := range names {
		candidates = append(candidates, cfg.Databases[name].Upstream.User)
	}
	for _, user := range candidates {
		if password := passwordOf(cfg, user); user != "" && (password != "" || cfg.Auth.Method == config.AuthTrust) {
			return account{user, password}, nil
		}
	}
	return account{}, &usageError{errors.New("the configuration holds no password to log in with: use --user and PGPASSWORD")}
}

// passwordOf finds the password of a client in the configuration, where it may be a verifier only; then it is that of the
// server's user of the same name, if there is one. PGPASSWORD outranks both.
func passwordOf(cfg *config.Config, user string) string {
	if password := os.Getenv("PGPASSWORD"); password != "" {
		return password
	}
	text := cfg.Auth.Users[user].Reveal()
	if secret, err := pgauth.ParseSecret(text); err == nil && text != "" && secret.Kind() == pgauth.KindPlain {
		return text
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Databases)) {
		if up := cfg.Databases[name].Upstream; up.User == user && up.Password != "" {
			return up.Password.Reveal()
		}
	}
	return ""
}

// consoleSettings says where the console is: at the server's first address.
func consoleSettings(cfg *config.Config, who account) (*pgconn.Config, error) {
	host, port, mode := cfg.Listen[0], strings.TrimPrefix(socketName, ".s.PGSQL."), "disable"
	if !filepath.IsAbs(host) {
		var err error
		if host, port, err = net.SplitHostPort(cfg.Listen[0]); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		host = reachable(host)
		if mode = "prefer"; cfg.TLS.Mode == config.TLSDisable || cfg.TLS.CertFile == "" {
			mode = "disable"
		}
	}
	settings, err := pgconn.ParseConfig("sslmode=" + mode)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return nil, &usageError{fmt.Errorf("the port of %s is not known: name the address with --listen", cfg.Listen[0])}
	}
	settings.Host, settings.Port = host, uint16(number)
	for _, other := range settings.Fallbacks {
		other.Host, other.Port = settings.Host, settings.Port
	}
	settings.User, settings.Password, settings.Database = who.user, who.password, "overdrive"
	settings.RuntimeParams = map[string]string{"application_name": "overdrive"}
	return settings, nil
}

// reachable is an address at which a server that listens everywhere can be found.
func reachable(host string) string {
	switch host {
	case "", "0.0.0.0":
		return "127.0.0.1"
	case "::":
		return "::1"
	}
	return host
}

// console is a connection to a server's console.
type console struct{ conn *pgconn.PgConn }

func (c *console) close() { c.conn.Close(context.Background()) }

// ask runs one command. Its error is the server's own words.
func (c *console) ask(ctx context.Context, command string) (*table, error) {
	reader := c.conn.ExecParams(ctx, command, nil, nil, nil, nil)
	t := &table{}
	for _, f := range reader.FieldDescriptions() { // Read has them only where there are rows
		t.columns = append(t.columns, f.Name)
		t.numeric = append(t.numeric, f.DataTypeOID != textOID)
	}
	result := reader.Read()
	var refusal *pgconn.PgError
	if errors.As(result.Err, &refusal) {
		return nil, errors.New(refusal.Message)
	}
	t.rows = result.Rows
	return t, result.Err
}

const textOID = 25

// onDatabase ends a command with the database that it is about; without a name it says nothing.
func onDatabase(database string) string {
	if database == "" {
		return ""
	}
	return ` DATABASE "` + strings.ReplaceAll(database, `"`, `""`) + `"`
}

// literal quotes a text for the console.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// oneArgument refuses anything but one argument, which is called what.
func oneArgument(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return &usageError{fmt.Errorf("want one argument, %s, got %d", what, len(args))}
		}
		return nil
	}
}

// exactlyOne counts flags that exclude each other.
func exactlyOne(given ...bool) bool {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	return n == 1
}
