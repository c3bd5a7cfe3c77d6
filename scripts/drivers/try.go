package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"overdrive/scripts/serving"
)

// tryLimit is how long a driver's program may take: a client that starves is told so after 15 seconds, and may starve again.
const tryLimit = 2 * time.Minute

// lookEvery is how often the console is asked for connections and pins while a program runs.
const lookEvery = 50 * time.Millisecond

// A report is what a driver's program saw.
type report struct {
	Version string
	Clients []visit
}

// A visit is the scenario as one client saw it.
type visit struct {
	Served         bool   // it came to the end
	Writes         int    // writes that it read back
	OwnWritesRead  int    `json:"own_writes_read"`
	RollbackUndone bool   `json:"rollback_undone"`
	TypesRead      bool   `json:"types_read"`
	Status, Reason string // of its last read of a book
	Error          string // that it ended with
}

// An outcome is a driver's line of the table.
type outcome struct {
	driver  string
	missing error // why it cannot be had on this machine
	broken  error // why there is no report
	report  report
	during  map[string]bool // reasons for which clients were pinned while the program ran
	most    int             // connections at a time
	end     look
}

// try runs the program of a driver against a database and a proxy of its own.
func (s *stage) try(ctx context.Context, l language, d driver) outcome {
	o := outcome{driver: d.name, during: make(map[string]bool)}
	o.broken = s.clear(ctx)
	if o.broken != nil {
		return o
	}
	p, err := s.serve()
	if err != nil {
		o.broken = err
		return o
	}
	o.broken = s.tryAt(ctx, p, l, d, &o)
	if err := p.Stop(); o.broken == nil {
		o.broken = err
	}
	return o
}

func (s *stage) tryAt(ctx context.Context, p *serving.Proxy, l language, d driver, o *outcome) error {
	if err := s.warm(ctx, p); err != nil {
		return err
	}
	console, err := s.connect(ctx, p, "overdrive")
	if err != nil {
		return err
	}
	defer console.Close(ctx)
	ctx, stop := context.WithTimeout(ctx, tryLimit)
	defer stop()
	program, err := s.start(p, l, d)
	if err != nil {
		return err
	}
	defer program.end()
	if err := program.await(ctx, console, o); err != nil {
		return err
	}
	o.end, err = takeLook(ctx, console)
	o.most = max(o.most, o.end.clients)
	return err
}

// A program is a driver's, running.
type program struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	said    bytes.Buffer // its standard error
	reports chan []byte  // what it printed, and closed
}

// start starts a driver's program in a process group of its own, since some start further processes.
func (s *stage) start(p *serving.Proxy, l language, d driver) (*program, error) {
	path := d.command[0]
	if filepath.Base(path) != path {
		path = filepath.Join(l.dir(), path)
	}
	path, err := exec.LookPath(path)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	g := &program{cmd: exec.Command(path, d.command[1:]...), reports: make(chan []byte, 1)}
	g.cmd.Dir, g.cmd.Stderr = l.dir(), &g.said
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	g.cmd.Env = append(os.Environ(), "DRIVERS_HOST="+host, "DRIVERS_PORT="+p.Port, "DRIVERS_USER="+user, "DRIVERS_PASSWORD="+password,
		"DRIVERS_DATABASE="+database, "DRIVERS_CA="+filepath.Join(s.dir, "ca.crt"), "DRIVERS_CLIENTS="+strconv.Itoa(clients))
	if g.stdin, err = g.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	go g.read(stdout)
	return g, nil
}

// read waits for the one line with a report, and drops what else is printed.
func (g *program) read(stdout io.Reader) {
	defer close(g.reports)
	in := bufio.NewReader(stdout)
	for reported := false; ; {
		line, err := in.ReadBytes('\n')
		if bytes.HasPrefix(line, []byte(`{"version"`)) && !reported {
			reported = true
			g.reports <- line
		}
		if err != nil {
			return
		}
	}
}

// await looks at the connections until the program has reported. It keeps its connections then.
func (g *program) await(ctx context.Context, console *pgconn.PgConn, o *outcome) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case line, ok := <-g.reports:
			if !ok {
				_ = g.cmd.Wait()
				return fmt.Errorf("its program ended without a report: %s", lastLine(g.said.String()))
			}
			return json.Unmarshal(line, &o.report)
		case <-tick.C:
			l, err := takePins(ctx, console)
			if err != nil {
				return err
			}
			o.most = max(o.most, l.clients)
			for reason := range l.pinned {
				o.during[reason] = true
			}
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("its program did not report within %v", tryLimit)
			}
			return ctx.Err()
		}
	}
}

// end lets the program go, and ends it where it does not.
func (g *program) end() {
	_ = g.stdin.Close()
	late := time.AfterFunc(serving.Patience, func() { _ = syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	for range g.reports { // to the end of its output
	}
	_ = g.cmd.Wait()
}
