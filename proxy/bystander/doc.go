// Package bystander holds no code, only a test: what two hundred statements that applications, migrations and tools send cost somebody who
// asks for something else. testdata/statements.txt has the statements by kind, each with what became of the bystander's answer before
// and after it was last worked on, and testdata/tables.sql the tables that they are about. The table in docs/caching.md is counted from it.
//
// A statement that costs nothing must cost nobody who is concerned the truth: behind each of them every table is read once more
// through the cache, and past it.
package bystander
