package pglocal

import (
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// process is a running postmaster with its watchdog.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the postmaster is gone

	watchdog *exec.Cmd
	alive    io.WriteCloser // the writing end of the watchdog's pipe
}

// watch waits on its standard input. A line means that all is well and the server has been stopped; the end of input
// without one means that the process that started the server died, so the server ($1) and the directories behind it go too.
const watch = `read -r _ || { kill -QUIT "$1"; shift; sleep 1; rm -rf "$@"; }`

// startProcess starts cmd, a postmaster, and a watchdog that cleans up after both should this process die.
func startProcess(cmd *exec.Cmd, directories ...string) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is in its log
	}()
	args := append([]string{"-c", watch, "watchdog", strconv.Itoa(cmd.Process.Pid)}, directories...)
	p.watchdog = exec.Command("sh", args...)
	p.watchdog.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := p.watchdog.StdinPipe()
	if err == nil {
		err = p.watchdog.Start()
	}
	if err != nil {
		p.watchdog = nil
		return nil, fmt.Errorf("watchdog: %w", joinStop(err, p.stop(syscall.SIGQUIT)))
	}
	p.alive = pipe
	return p, nil
}

func joinStop(err, stopErr error) error {
	if stopErr != nil {
		return fmt.Errorf("%w; %w", err, stopErr)
	}
	return err
}

// stop sends sig to the postmaster, waits until it is gone, and dismisses the watchdog. A postmaster that does not heed
// sig is killed. It may be called again.
func (p *process) stop(sig syscall.Signal) error {
	var err error
	_ = p.cmd.Process.Signal(sig) // fails only when it is gone already
	select {
	case <-p.exited:
	case <-time.After(stopTimeout):
		err = fmt.Errorf("PostgreSQL did not stop within %v of %v", stopTimeout, sig)
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	if p.watchdog != nil {
		_, _ = io.WriteString(p.alive, "\n")
		_ = p.alive.Close()
		_ = p.watchdog.Wait()
		p.watchdog = nil
	}
	return err
}
