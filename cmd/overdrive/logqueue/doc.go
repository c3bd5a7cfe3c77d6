// Package logqueue stands between a logger and what it writes to, so that nobody who logs ever waits.
//
//	whoever logs ─▶ Handler ─▶ said within the minute? ─▶ counted
//	                   │
//	                   └─▶ slog's own handler ─▶ Queue, bounded ─▶ one goroutine ─▶ standard error
//
// A pipe that nobody reads fills up, and a write to it blocks; an event loop that wrote its own lines would stand still with all
// its clients. Here only the goroutine of the queue waits. What finds no room is dropped and counted, and a line tells
// the count as soon as writing works again.
//
// In an outage hundreds of clients have the same to say. Of lines that differ only in what belongs to one connection, one a minute
// is written; those after it are counted, and at the end of the minute the latest of them is written with the count.
package logqueue
