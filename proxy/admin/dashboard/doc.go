// Package dashboard is the page that a person looks at first: what the proxy does now, what became of which statements, and how to purge. It
// speaks HTTP and JSON, and reads the same snapshots as the console; it knows neither the configuration nor a protocol of databases.
//
//	browser ─▶ Handler ─▶ access.go: may they? ─▶ now.go, queries.go, acts.go ─▶ snapshots and acts of a Proxy
//	                          └─▶ login.go: who are they?
//
// The page polls counters once a second and computes rates itself, so that nothing is kept here between two questions, but for one snapshot that
// all who ask at the same moment share.
//
// Whoever asks is taken for hostile, and so is the text of every statement and the name of every user:
//
//   - Seeing needs a login, unless the address can be reached from this machine only and nobody has passed the question on.
//   - On such an address a Host that is no name of this machine is refused: a page of somebody else may have its name mean this machine.
//   - Acting needs JSON, an Origin that is the Host, and the token of this process, which a page of somebody else cannot read.
//     Purging needs a login besides, where there are users.
//   - Work is bounded: wrong logins, questions at a time, the bytes of a question and of an answer.
//   - What is shown is set as text, and the page may load and run nothing but its own files.
package dashboard
