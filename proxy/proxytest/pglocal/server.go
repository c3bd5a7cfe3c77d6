package pglocal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Superuser is the one role of a new server. It has no password.
const Superuser = "postgres"

const (
	startTimeout = 60 * time.Second // a loaded machine needs seconds, never this
	stopTimeout  = 30 * time.Second
	pollEvery    = 20 * time.Millisecond
	portAttempts = 5
)

// Options describes a server. The zero value is a plain one.
type Options struct {
	// MaxConnections is max_connections; 0 is PostgreSQL's default of 100.
	MaxConnections int
	// HBA is lines of pg_hba.conf. They come after one that lets the superuser in by the Unix socket, which Exec needs,
	// and replace those that trust everybody.
	HBA []string
	// Settings are further settings by name, such as "wal_level": "logical".
	Settings map[string]string
	// Files are further files of the data directory by name, such as a certificate's.
	Files map[string][]byte
}

// Server is a running PostgreSQL. Its methods may be called from several goroutines, save that Stop and Restart must
// not run at the same time as others.
type Server struct {
	binDir string
	owner  owner
	dir    string // holds data, the socket and the log
	// template is what the data directory was copied from.
	template string
	port     int
	args     []string

	process  *process
	stopOnce sync.Once
	stopErr  error
}

// Start starts a server and waits until it answers. It fails with ErrNoBinaries when PostgreSQL is not installed. The
// caller must Stop the server; ctx bounds the start only.
func Start(ctx context.Context, opts Options) (*Server, error) {
	binDir, err := BinDir()
	if err != nil {
		return nil, err
	}
	as, err := findOwner()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(scratchRoot(), "overdrive-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{binDir: binDir, owner: as, dir: dir}
	if s.template, err = copyTemplate(ctx, binDir, as, s.dataDir()); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	err = s.configure(opts)
	if err == nil {
		err = s.startOnFreePort(ctx)
	}
	if err != nil {
		os.RemoveAll(dir)
		releaseTemplate()
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return s, nil
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// configure writes the files of the data directory and gives all of it to the owner.
func (s *Server) configure(opts Options) error {
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": s.dir,
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
		"max_wal_senders": "4", "log_min_messages": "warning", "timezone": "UTC", "log_timezone": "UTC",
	}
	files := map[string][]byte{}
	maps.Copy(files, opts.Files)
	if opts.MaxConnections > 0 {
		settings["max_connections"] = strconv.Itoa(opts.MaxConnections)
	}
	for name, value := range opts.Settings {
		settings[name] = value
	}
	for name, value := range settings {
		s.args = append(s.args, "-c", name+"="+value)
	}
	if len(opts.HBA) > 0 {
		lines := append([]string{"local all " + Superuser + " trust"}, opts.HBA...)
		files["pg_hba.conf"] = []byte(strings.Join(lines, "\n") + "\n")
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(s.dataDir(), name), content, 0o600); err != nil {
			return err
		}
	}
	return s.owner.own(s.dir)
}

// startOnFreePort tries a few ports, since between finding a free one and using it another process may take it.
func (s *Server) startOnFreePort(ctx context.Context) error {
	var err error
	for range portAttempts {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.launch(ctx); err == nil || !strings.Contains(err.Error(), "could not bind") {
			return err
		}
	}
	return err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// launch starts the process and waits until it answers.
func (s *Server) launch(ctx context.Context) error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{"-D", s.dataDir(), "-p", strconv.Itoa(s.port)}, s.args...)
	cmd := exec.Command(filepath.Join(s.binDir, "postgres"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	s.owner.apply(cmd)
	if s.process, err = startProcess(cmd, s.dir, s.template); err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		s.process.stop(syscall.SIGQUIT)
		return err
	}
	return nil
}

func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		conn, err := pgconn.Connect(ctx, s.socketDSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.process.exited:
			return fmt.Errorf("it ended at once:\n%s", s.Log())
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w\n%s", err, s.Log())
		case <-tick.C:
		}
	}
}

// Stop ends the server at once, without regard for its clients or data, and removes its directory. Further calls return
// what the first did.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() {
		s.stopErr = errors.Join(s.process.stop(syscall.SIGQUIT), os.RemoveAll(s.dir))
		releaseTemplate()
	})
	return s.stopErr
}

// Restart ends the server, which tells its clients so (SQLSTATE 57P01), and starts it again on the same port with the
// same data.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.process.stop(syscall.SIGINT); err != nil {
		return fmt.Errorf("restart PostgreSQL: %w", err)
	}
	if err := s.launch(ctx); err != nil {
		return fmt.Errorf("restart PostgreSQL: %w", err)
	}
	return nil
}

// BinDir returns the directory of the programs that belong to this server, psql and pgbench among them.
func (s *Server) BinDir() string { return s.binDir }

// Addr returns 127.0.0.1:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port returns the port, which is the same for TCP and in the name of the Unix socket.
func (s *Server) Port() int { return s.port }

// SocketDir returns the directory of its Unix socket.
func (s *Server) SocketDir() string { return s.dir }

// DSN returns a URL with which the superuser connects to database by TCP, without TLS.
func (s *Server) DSN(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(Superuser), Host: s.Addr(), Path: "/" + database,
		RawQuery: "sslmode=disable"}
	return u.String()
}

func (s *Server) socketDSN(database string) string {
	q := url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}, "sslmode": {"disable"}}
	u := url.URL{Scheme: "postgres", User: url.User(Superuser), Path: "/" + database, RawQuery: q.Encode()}
	return u.String()
}

// Exec runs the statements of sql in database as the superuser, on a connection of its own.
func (s *Server) Exec(ctx context.Context, database, sql string) error {
	conn, err := pgconn.Connect(ctx, s.socketDSN(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql).ReadAll()
	return err
}

// Log returns what the server wrote to its log since it was started last.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(text)
}
