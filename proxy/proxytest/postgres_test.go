package proxytest

import (
	"slices"
	"testing"
)

func TestChangesOfCluster_FindsWhatAllDatabasesNotice(t *testing.T) {
	const log = `one: LOG:  statement: create table roles (a int); create role alice login
two: LOG:  execute <unnamed>: alter user bob superuser
three: LOG:  statement: grant alice to bob
four: LOG:  statement: grant select on t to alice
five: LOG:  statement: alter database five set timezone = 'UTC'
six: LOG:  statement: create table dropped (role text)
seven: LOG:  statement: select 1;
	ALTER SYSTEM set work_mem = '8MB'
eight: LOG:  statement: do 'begin create role eve; end'
nine: LOG:  statement: create user mapping for alice server loop
ten: ERROR:  role "create role" does not exist
`
	want := []string{
		"one: LOG:  statement: create table roles (a int); create role alice login", "two: LOG:  execute <unnamed>: alter user bob superuser",
		"three: LOG:  statement: grant alice to bob", "seven: LOG:  statement: select 1;\n\tALTER SYSTEM set work_mem = '8MB'", "eight: LOG:  statement: do 'begin create role eve; end'",
	}
	if got := changesOfCluster(log); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
