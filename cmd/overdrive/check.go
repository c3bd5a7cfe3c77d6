package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"overdrive/config"
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
		verdict, err := checkLogin(cmd.Context(), target(&db.Upstream))
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

func checkLogin(ctx context.Context, t upstream.Target) (string, error) {
	if t.User == "" {
		return "not tried: clients log in as themselves", nil
	}
	conn, err := logIn(ctx, t)
	if err != nil {
		return "", err
	}
	defer conn.NC.Close()
	return "ok: PostgreSQL " + versionOf(conn), nil
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
