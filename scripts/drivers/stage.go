package main

import (
	"context"
	"fmt"
	"os"

	"overdrive/proxy/proxytest/pglocal"
	"overdrive/scripts/serving"
)

// What every program is told. The server never lets anybody in without a SCRAM proof, nor does the proxy.
const (
	user     = "app"
	password = "Secret-of-app-1"
	database = "shop"
	host     = "localhost" // the name in the proxy's certificate
)

// A stage is a PostgreSQL and a built program. Each driver has a database and a proxy of its own on it, so that nothing is
// cached, pinned or counted that another driver asked for.
type stage struct {
	dir       string // for the program, its configuration and certificates
	overdrive string // the program
	schema    string
	postgres  *pglocal.Server
}

// setStage starts PostgreSQL and builds the program into dir.
func setStage(ctx context.Context, dir, schemaFile string) (*stage, error) {
	schema, err := os.ReadFile(schemaFile)
	if err != nil {
		return nil, err
	}
	overdrive, err := serving.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := writeCertificates(dir); err != nil {
		return nil, err
	}
	postgres, err := pglocal.Start(ctx, pglocal.Options{
		HBA: []string{"host all all 127.0.0.1/32 scram-sha-256"},
		// As in PostgreSQL's container image. A framework that wants UTC, by this name, has to set it.
		Settings: map[string]string{"timezone": "Etc/UTC"},
	})
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, overdrive: overdrive, schema: string(schema), postgres: postgres}
	if err := postgres.Exec(ctx, "postgres", "CREATE ROLE "+user+" LOGIN PASSWORD '"+password+"'"); err != nil {
		_ = postgres.Stop()
		return nil, err
	}
	return s, nil
}

// clear makes the database anew.
func (s *stage) clear(ctx context.Context) error {
	if err := s.postgres.Exec(ctx, "postgres", "DROP DATABASE IF EXISTS "+database+" WITH (FORCE)"); err != nil {
		return err
	}
	if err := s.postgres.Exec(ctx, "postgres", "CREATE DATABASE "+database); err != nil {
		return err
	}
	return s.postgres.Exec(ctx, database, s.schema)
}

// configuration leaves everything at its default but what the scenario is about.
const configuration = `
listen: ["127.0.0.1:0"]
http: ""
log: {format: json}
auth: {users: {%[1]s: %[2]s}}
tls: {mode: require, cert_file: server.crt, key_file: server.key}
admin: {stats_users: [%[1]s]}
databases:
  %[3]s:
    url: postgres://%[1]s:%[2]s@%[4]s/%[3]s?require_auth=scram-sha-256
    pool: {mode: transaction, size: %[5]d}
    cache: {in_transactions: %[6]s}
`

// serve starts the program and waits until it takes clients.
func (s *stage) serve() (*serving.Proxy, error) {
	reads := "first-reads"
	if os.Getenv("IN_TRANSACTIONS") == "off" {
		reads = "never"
	}
	return serving.Serve(s.overdrive, s.dir, fmt.Sprintf(configuration, user, password, database, s.postgres.Addr(), servers, reads))
}
