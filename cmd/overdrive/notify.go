package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// This file tells the service manager that started the program what it does: systemd, by the socket that NOTIFY_SOCKET names. Where
// nobody listens, none of it does anything.

// A manager hears what becomes of the program.
type manager struct {
	log *slog.Logger
}

func (m *manager) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.log.Warn("the service manager could not be told", "error", err)
	}
}

// ready says that clients may come, or that a reload has ended in one way or the other.
func (m *manager) ready(status string) { m.tell(daemon.SdNotifyReady + "\nSTATUS=" + status) }

// reloading says that a reload begins. With Type=notify-reload systemd tells by the time whether it is the one that it asked for.
func (m *manager) reloading() {
	m.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec() + "STATUS=reloading")
}

// afterwards is what the end may take once everybody has had the time to finish: closing connections, and the log.
const afterwards = 10 * time.Second

// stopping says that the program ends, and has systemd wait for as long as clients may take, whatever its unit says.
func (m *manager) stopping(patience time.Duration) {
	m.tell(fmt.Sprintf("%s\nSTATUS=stopping: transactions may finish\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping,
		(patience + afterwards).Microseconds()))
}

// keepWatched says three times in each interval of systemd's watchdog that the program is alive, if alive says so, until ctx ends. Where
// there is no watchdog it returns at once.
func (m *manager) keepWatched(ctx context.Context, alive func(context.Context) error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		m.log.Warn("the watchdog of the service manager is not served", "error", err)
	}
	if interval <= 0 {
		return
	}
	tick := time.NewTicker(interval / 3)
	defer tick.Stop()
	for {
		m.sayAlive(ctx, interval/3, alive)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sayAlive says so if alive finds out within limit.
func (m *manager) sayAlive(ctx context.Context, limit time.Duration, alive func(context.Context) error) {
	asked, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch err := alive(asked); {
	case err == nil:
		m.tell(daemon.SdNotifyWatchdog)
	case ctx.Err() == nil:
		m.log.Error("the watchdog is not told that the program is alive", "error", err)
	}
}
