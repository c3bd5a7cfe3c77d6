package classify

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// startPostgres runs a fresh server for the test and returns a connection string for its superuser.
func startPostgres(t *testing.T) string {
	t.Helper()
	bin := postgresBin(t)
	dir, err := os.MkdirTemp("", "classify")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attr := unprivileged(t, dir)
	run := func(name string, args ...string) {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.SysProcAttr = attr
		cmd.Dir = dir
		log, err := os.Create(filepath.Join(dir, name+".out"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log // a file: the server inherits it and would hold a pipe open
		if err := cmd.Run(); err != nil {
			out, _ := os.ReadFile(log.Name())
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	data := filepath.Join(dir, "data")
	run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
	run("pg_ctl", "-D", data, "-w", "-o", "-c listen_addresses='' -c fsync=off -c unix_socket_directories='"+dir+"'", "start")
	t.Cleanup(func() { run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop") })
	return "host=" + dir + " user=postgres dbname=postgres sslmode=disable"
}

// postgresBin returns the folder of the server's programs.
func postgresBin(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if brew, _ := filepath.Glob("/opt/homebrew/opt/postgresql@*/bin/initdb"); len(brew) > 0 {
		found = append(found, brew...)
	}
	if len(found) == 0 {
		t.Fatal("no PostgreSQL found: install its server package (Debian: apt-get install postgresql)")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

// unprivileged returns how to start the server, which refuses to run as root, and gives it dir.
func unprivileged(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	t.Fatal("running as root and found no user postgres or nobody to run PostgreSQL as")
	return nil
}

func connect(t *testing.T, dsn string) *pgconn.PgConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func execSQL(t *testing.T, conn *pgconn.PgConn, sql string) []*pgconn.Result {
	t.Helper()
	results, err := conn.Exec(context.Background(), sql).ReadAll()
	if err != nil {
		t.Fatalf("%v\nin %s", err, sql)
	}
	return results
}

// loadCatalog asks the server behind conn for its catalog.
func loadCatalog(t *testing.T, conn *pgconn.PgConn) *Catalog {
	t.Helper()
	var sets [][][]string
	for _, q := range CatalogQueries() {
		var rows [][]string
		for _, row := range execSQL(t, conn, q)[0].Rows {
			var cells []string
			for _, cell := range row {
				cells = append(cells, string(cell))
			}
			rows = append(rows, cells)
		}
		sets = append(sets, rows)
	}
	c, err := NewCatalog(sets)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
