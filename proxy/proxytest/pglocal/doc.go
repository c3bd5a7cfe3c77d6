// Package pglocal runs throwaway PostgreSQL servers on this machine, for tests, benchmarks and demonstrations.
//
// A server has its own data directory, listens on a free port of 127.0.0.1 and on a Unix socket, trusts everybody who
// can reach it, and forgets everything when it stops. It is built for speed, not for safety: nothing is flushed to disk.
//
//	Start ──▶ running ──▶ Stop (immediate; the directory is removed)
//	             │ ▲
//	             ▼ │
//	          Restart (fast; data stays)
//
// PostgreSQL refuses to run as root, so a process of root runs it as the user postgres, or nobody.
//
// A server does not outlive the process that started it, however that ends: a watchdog holds the reading end of a pipe
// and stops the server when the writing end, which only this process has, is closed.
package pglocal
