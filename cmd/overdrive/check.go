package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"overdrive/config"
	"overdrive/proxy/postgres"
	"overdrive/proxy/postgres/pgauth"
	"overdrive/proxy/postgres/upstream"
)

func checkCommand() *cobra.Command {
	var from source
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Report every problem of the configuration, then log in to each database once",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := from.load(cmd)
			if err != nil {
				return err
			}
			return checkLogins(cmd, cfg)
		},
	}
	from.addTo(cmd)
	return cmd
}

// checkLogins logs in to every database and says how it went.
func checkLogins(cmd *cobra.Command, cfg *config.Config) error {
	out := cmd.OutOrStdout()
	failed := 0
	for _, name := range slices.Sorted(maps.Keys(cfg.Databases)) {
		db := cfg.Databases[name]
		verdict, err := checkLogin(cmd.Context(), target(&db.Upstream), db.Cache.TrustedFunctions)
		if err != nil {
			failed++
			verdict = "FAILED: " + err.Error()
		}
		fmt.Fprintf(out, "%-20s %s\n", name, verdict)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d databases could not be logged in to", failed, len(cfg.Databases))
	}
	fmt.Fprintln(out, "configuration is good")
	return nil
}

// checkLogin logs in to a database and says what it has found there.
func checkLogin(ctx context.Context, t upstream.Target, trusted []string) (string, error) {
	if t.User == "" {
		return "not tried: clients log in as themselves", nil
	}
	conn, err := logIn(ctx, t)
	if err != nil {
		return "", err
	}
	defer conn.NC.Close()
	verdict := "ok: PostgreSQL " + versionOf(conn)
	untrusted, err := postgres.Untrusted(conn, trusted)
	if err != nil {
		return "", err
	}
	if len(untrusted) > 0 {
		verdict += "; cache.trusted_functions: " + strings.Join(untrusted, ", ") + notTrusted
	}
	return verdict, nil
}

// notTrusted is what there is to say of entries of trusted_functions that do nothing.
const notTrusted = ": no function of this name here that belongs to a superuser, or to the owner of the database or of the schema"

// warnOfUntrusted tells the log of them.
func warnOfUntrusted(conn *upstream.Conn, name string, trusted []string, log *slog.Logger) {
	untrusted, err := postgres.Untrusted(conn, trusted)
	if err == nil && len(untrusted) > 0 { // else the keeper of the catalog tells why it cannot ask
		log.Warn("cache.trusted_functions"+notTrusted, "db", name, "functions", untrusted)
	}
}

// logIn logs in as the target's own user. The caller must close the connection.
func logIn(ctx context.Context, t upstream.Target) (*upstream.Conn, error) {
	credential := pgauth.NewCredential(t.User, pgauth.Secret{})
	if t.Password != "" {
		var err error
		if credential, err = t.Credential(); err != nil {
			return nil, err
		}
	}
	return (&upstream.Dialer{Target: t}).Connect(ctx, credential)
}

// versionOf is the number alone: distributions write more.
func versionOf(conn *upstream.Conn) string {
	version, _, _ := strings.Cut(conn.Params["server_version"], " ")
	return version
}
