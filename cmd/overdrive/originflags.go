package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"overdrive/config"
)

// originFlags say where a database is and how it is served. Their names are those of wrangler hyperdrive.
type originFlags struct {
	connectionString, scheme, host, user, password, database string

	port          uint16
	passwordStdin bool
	sslmode       string
	authorities   string
	settings      settingFlags
}

// settingFlags are the keys below a database that have flags.
type settingFlags struct {
	disabled    bool
	maxAge, swr config.Duration
	limit       int
	mode        string
}

// longer begins the other names of some flags: wrangler knows --host as --origin-host too.
const longer = "origin-"

func (o *originFlags) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.connectionString, "connection-string", "", "postgres://user:password@host:5432/database; in place of host, port, user and database")
	f.StringVar(&o.scheme, "scheme", "postgres", "postgres or postgresql")
	f.StringVar(&o.host, "host", "", "host of the database, or the directory of its Unix socket (also --origin-host, and so the next ones)")
	f.Uint16Var(&o.port, "port", 5432, "port of the database")
	f.StringVar(&o.user, "user", "", "user to log in as; clients log in under the same name")
	f.StringVar(&o.password, "password", "", "its password. '${NAME}' writes a reference to that variable into the file, not its value")
	f.StringVar(&o.database, "database", "", "name of the database at its server (default: NAME)")
	f.BoolVar(&o.passwordStdin, "password-stdin", false, "read the password from the first line of standard input")
	f.StringVar(&o.sslmode, "sslmode", "", "disable, allow, prefer, require, verify-ca or verify-full (default prefer)")
	f.StringVar(&o.authorities, "ca-certificate", "", "file of the authorities that sign the server's certificate, or system")

	d := config.DefaultDatabase()
	o.settings.maxAge, o.settings.swr = d.Cache.MaxAge, d.Cache.StaleWhileRevalidate
	f.BoolVar(&o.settings.disabled, "caching-disabled", false, "cache nothing")
	f.TextVar(&o.settings.maxAge, "max-age", d.Cache.MaxAge, "how long an answer is served; a bare number counts seconds")
	f.TextVar(&o.settings.swr, "swr", d.Cache.StaleWhileRevalidate, "how long after that it is served while it is fetched anew")
	f.IntVar(&o.settings.limit, "origin-connection-limit", d.Pool.Size, "most server connections per user")
	f.StringVar(&o.settings.mode, "pool-mode", string(d.Pool.Mode), "transaction, session or statement")
	f.StringVar(&o.scheme, longer+"scheme", "postgres", "")
	f.StringVar(&o.host, longer+"host", "", "")
	f.Uint16Var(&o.port, longer+"port", 5432, "")
	f.StringVar(&o.user, longer+"user", "", "")
	f.StringVar(&o.password, longer+"password", "", "")
	for _, name := range partFlags {
		if f.Lookup(longer+name) != nil {
			_ = f.MarkHidden(longer + name) // fails for a flag that is not there
		}
	}
}

// given says whether a flag was given, by whichever of its names.
func given(cmd *cobra.Command, name string) bool {
	return cmd.Flags().Changed(name) || cmd.Flags().Changed(longer+name)
}

// partFlags are those that change a part of the url.
var partFlags = []string{"scheme", "host", "port", "user", "password", "password-stdin", "database", "sslmode", "ca-certificate"}

// check finds flags that exclude each other, and reads the password if it is to be read.
func (o *originFlags) check(cmd *cobra.Command) error {
	given := func(name string) bool { return given(cmd, name) }
	for _, name := range []string{"scheme", "host", "port", "user", "database"} {
		if given("connection-string") && given(name) {
			return &usageError{fmt.Errorf("use either --connection-string or --%s", name)}
		}
	}
	if given("password") && given("password-stdin") {
		return &usageError{errors.New("use either --password or --password-stdin")}
	}
	if given("password") && o.password == "" {
		return &usageError{errors.New("--password is empty")}
	}
	if o.scheme != "postgres" && o.scheme != "postgresql" {
		_, err := config.ParseDSN(o.scheme + "://") // which has the words for it
		return err
	}
	if o.passwordStdin {
		return o.readPassword(cmd)
	}
	return nil
}

// readPassword reads the password from standard input. A terminal may never send a line, so Ctrl-C ends it.
func (o *originFlags) readPassword(cmd *cobra.Command) error {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() { // which nobody waits for once the command has ended
		line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), maxPassword+1)).ReadString('\n')
		read <- result{strings.TrimRight(line, "\r\n"), err}
	}()
	var got result
	select {
	case got = <-read:
	case <-cmd.Context().Done():
		return fmt.Errorf("read password from standard input: %w", cmd.Context().Err())
	}
	o.password = got.line
	switch {
	case got.err != nil && !errors.Is(got.err, io.EOF):
		return fmt.Errorf("read password from standard input: %w", got.err)
	case o.password == "":
		return errors.New("there is no password on the first line of standard input")
	case len(o.password) > maxPassword:
		return fmt.Errorf("the password on standard input is longer than %d bytes", maxPassword)
	case strings.ContainsRune(o.password, 0):
		return errors.New("the password on standard input has a zero byte, which no server takes")
	}
	return nil
}

// maxPassword is more than any password has.
const maxPassword = 64 << 10

// changesURL says whether a flag is about the url.
func (o *originFlags) changesURL(cmd *cobra.Command) bool {
	isGiven := func(name string) bool { return given(cmd, name) }
	return isGiven("connection-string") || slices.ContainsFunc(partFlags, isGiven)
}

// apply changes the parts of a url that flags name. Names of files in it start at the directory of the configuration file.
func (o *originFlags) apply(cmd *cobra.Command, dsn *config.DSN, file string) {
	given := func(name string) bool { return given(cmd, name) }
	if given("host") {
		dsn.SetHost(o.host)
	}
	if given("port") {
		dsn.SetPort(strconv.Itoa(int(o.port)))
	}
	if given("user") {
		dsn.SetUser(o.user)
	}
	if given("password") || o.passwordStdin {
		dsn.SetPassword(o.password, !o.passwordStdin)
	}
	if given("database") {
		dsn.SetDatabase(o.database)
	}
	if given("sslmode") {
		dsn.SetParameter("sslmode", o.sslmode)
	}
	if given("ca-certificate") {
		dsn.SetParameter("sslrootcert", seenFrom(filepath.Dir(file), o.authorities))
	}
}

// passwordVariable gives a url the password that PGPASSWORD holds, if it has a user and no password.
func passwordVariable(dsn *config.DSN) {
	if password := os.Getenv("PGPASSWORD"); password != "" && dsn.HasUser() && !dsn.HasPassword() {
		dsn.SetPassword(password, false)
	}
}

// seenFrom is the name of a file that was given at the command line, as the configuration file has to name it.
func seenFrom(dir, name string) string {
	if name == "system" || filepath.IsAbs(name) {
		return name
	}
	return relativeTo(dir, name)
}

// relativeTo is the name of a file from a directory on, if it is in there, else its absolute name.
func relativeTo(dir, name string) string {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return absolute
	}
	relative, err := filepath.Rel(dir, absolute)
	if err != nil || strings.HasPrefix(relative, "..") {
		return absolute
	}
	return relative
}

// A setting is a key below a database, with its value.
type setting struct {
	table, key string
	value      any
}

// given returns the settings that flags name.
func (s *settingFlags) given(cmd *cobra.Command) (list []setting) {
	for _, one := range []struct {
		flag string
		setting
	}{
		{"origin-connection-limit", setting{"pool", "size", s.limit}},
		{"pool-mode", setting{"pool", "mode", s.mode}},
		{"caching-disabled", setting{"cache", "enabled", !s.disabled}},
		{"max-age", setting{"cache", "max_age", s.maxAge.String()}},
		{"swr", setting{"cache", "stale_while_revalidate", s.swr.String()}},
	} {
		if cmd.Flags().Changed(one.flag) {
			list = append(list, one.setting)
		}
	}
	return list
}

// tables returns the settings as the tables of a new database.
func tables(list []setting) (out config.Table) {
	for _, name := range []string{"pool", "cache"} {
		var inner config.Table
		for _, s := range list {
			if s.table == name {
				inner = append(inner, config.Entry{Key: s.key, Value: s.value})
			}
		}
		if len(inner) > 0 {
			out = append(out, config.Entry{Key: name, Value: inner})
		}
	}
	return out
}
