package metrics

import (
	"strings"

	"overdrive/proxy"
)

const (
	// shownUsers is how many users of one database are shown one by one: each costs dozens of series.
	shownUsers = 100
	// otherUsers is the label of all others.
	otherUsers = "other"
	// maxLabel bounds a name that a client may have made up.
	maxLabel = 63
)

// databaseLabel is the name of a database as a label may be. It is from the configuration, and whole: two databases must not become one.
func databaseLabel(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

// labelled is a name as a label may be: names of users may be any bytes.
func labelled(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), maxLabel)], "\uFFFD")
}

// A shown is whose numbers stand in one series.
type shown struct{ database, user string }

// users says which users are shown one by one: the first comers of each database. They stay the first, whoever else comes or goes, so nobody's
// numbers move from one series to another.
func users(traffic []proxy.TrafficStatus) map[shown]bool {
	first := make(map[shown]bool)
	count := make(map[string]int)
	for i := range traffic {
		t := &traffic[i]
		if count[t.Database]++; t.User != "" && count[t.Database] <= shownUsers {
			first[shown{t.Database, t.User}] = true
		}
	}
	return first
}

// seriesOf returns the labels for a user.
func seriesOf(first map[shown]bool, database, user string) shown {
	if !first[shown{database, user}] {
		return shown{databaseLabel(database), otherUsers}
	}
	return shown{databaseLabel(database), labelled(user)}
}
